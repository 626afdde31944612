"""Two arms that answer different requests: is the challenger's rate (of errors, of slow answers) worse, or not?

A safe test of two proportions for arms of any sizes, valid under continuous looking, also when nothing or next to
nothing went wrong in either arm (where normal approximations fail: 23 % false alarms at a nominal 5 %).

Source: Turner, Ly & Grünwald (2024), "Generic E-variables for exact sequential k-sample tests that allow for optional
stopping", JSPI 230. For a block with n_a and n_b answers and *any* alternative (a, b) chosen before the block, let
(a0, b0) be the point of a convex null nearest to it in KL divergence, weighted by n_a and n_b. Then
    E = (a/a0)^k_a ((1-a)/(1-a0))^(n_a-k_a) (b/b0)^k_b ((1-b)/(1-b0))^(n_b-k_b)
has expectation <= 1 under every point of the null: log E[E] <= n_a g_a (a' - a0) + n_b g_b (b' - b0), with
g = (a-a0)/(a0(1-a0)), is minus the slope of that divergence from (a0, b0) towards (a', b'), which is >= 0 at the
nearest point of a convex set. Our nulls are half planes, so the nearest point lies on a line and is found by bisection.

Assumptions: requests go to the arms by chance (a hash of the key); within a block an arm's answers are independent
given causes common to both arms (an outage that hits both is allowed: the null need hold within each block only, rates
may differ between blocks). What fails together in one arm alone (a batch that times out) is not independent; so one
block may multiply the evidence by at most CAP, and no verdict rests on one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .eprocess import Array, EProcess, mixture

CAP = 8.0  # two blocks at least for 1/alpha up to 64; three at the strictest usual levels
SHARE = 0.1  # after a day of outage for both arms, alternatives made for ordinary days get their stakes back
_BASE_RATES = (0.001, 0.01, 0.1, 0.3)  # of the champion, before anything is known of it
_EXCESSES = (1, 2, 4, 8, 16, 32, 64)  # harm is sought from one margin up: what is small beside it is no reason to abort
_PRIOR_COUNTS = (0.5, 50.0)  # the plug-in rate starts at 1 % with the weight of 50 requests
_TINY = 1e-9


@dataclass(frozen=True)
class RateBlock:
    """One closed block: answers and bad answers of champion (a) and challenger (b). An answer may be bad in part: the
    factor above is convex in each answer, so that a value in [0, 1] bets no better than 0 or 1 with the same mean.
    `cap` is the most by which the block may multiply the evidence."""

    n_a: float
    k_a: float
    n_b: float
    k_b: float
    cap: float = CAP

    def __post_init__(self) -> None:
        if not (0 <= self.k_a <= self.n_a + _TINY and 0 <= self.k_b <= self.n_b + _TINY):
            raise ValueError(f"{self} counts more bad answers than answers")


def rate_difference(blocks: Sequence[RateBlock]) -> float | None:
    """Challenger's rate minus champion's over all blocks; None while either arm has no answers."""
    n_a, n_b = sum(block.n_a for block in blocks), sum(block.n_b for block in blocks)
    if not n_a or not n_b:
        return None
    return sum(block.k_b for block in blocks) / n_b - sum(block.k_a for block in blocks) / n_a


def rate_non_inferiority(blocks: Sequence[RateBlock], margin: float) -> EProcess:
    """Evidence against "the challenger's rate is at least the champion's + margin". With no error in either arm, a
    margin of 1 % needs about 400 answers of the challenger at alpha 0.05: ln(20) / 1 % plus the price of the mixture.
    """
    _, _, pooled = _rates_before(blocks)
    return _fold(blocks, [(rate, rate) for rate in _BASE_RATES], np.column_stack([pooled, pooled]), margin)


def rate_harm(blocks: Sequence[RateBlock], margin: float) -> EProcess:
    """Evidence against "the challenger's rate is at most the champion's", for excesses of `margin` or more."""
    guesses = [
        (rate, rate + times * margin) for rate in _BASE_RATES for times in _EXCESSES if rate + times * margin < 1
    ]
    a, b, _ = _rates_before(blocks)
    a = np.minimum(a, 1 - margin - 2 * _TINY)
    return _fold(blocks, guesses, np.column_stack([a, np.clip(b, a + margin, 1 - _TINY)]), 0.0)


def _fold(blocks: Sequence[RateBlock], guesses: list[tuple[float, float]], learnt: Array, offset: float) -> EProcess:
    """Half the stakes on alternatives guessed beforehand, half on the one `learnt` (a row per block) from the past."""
    if not blocks:
        return EProcess(())
    fixed = np.broadcast_to(np.array(guesses), (len(blocks), len(guesses), 2))
    alternatives = np.concatenate([fixed, learnt[:, None, :]], axis=1)
    prior = [0.5 / len(guesses)] * len(guesses) + [0.5]
    return mixture(_log_factors(alternatives, blocks, offset), prior, SHARE, [block.cap for block in blocks])


def _rates_before(blocks: Sequence[RateBlock]) -> tuple[Array, Array, Array]:
    """The champion's, the challenger's and the common rate as known *before* each block."""
    bad, requests = _PRIOR_COUNTS
    counts = np.array([(block.k_a, block.n_a, block.k_b, block.n_b) for block in blocks], dtype=float).reshape(-1, 4)
    k_a, n_a, k_b, n_b = (np.cumsum(counts, axis=0) - counts).T
    return (k_a + bad) / (n_a + requests), (k_b + bad) / (n_b + requests), (k_a + k_b + bad) / (n_a + n_b + requests)


def _log_factors(alternatives: Array, blocks: Sequence[RateBlock], offset: float) -> Array:
    """log E of each block (rows) for each alternative (columns), against the half plane beyond the line b = a + offset;
    `alternatives` has shape (blocks, alternatives, 2)."""
    n_a, k_a, n_b, k_b = (
        np.array([getattr(block, name) for block in blocks], dtype=float)[:, None]
        for name in ("n_a", "k_a", "n_b", "k_b")
    )
    a, b = alternatives[..., 0], alternatives[..., 1]
    a0 = _nearest(a, b, n_a, n_b, offset)
    return _log_ratio(n_a, k_a, a, a0) + _log_ratio(n_b, k_b, b, a0 + offset)


def _nearest(a: Array, b: Array, n_a: Array, n_b: Array, offset: float) -> Array:
    """First coordinate of the line's point nearest in KL: its slope along the line only grows, so bisection finds 0."""
    low, high = np.full_like(a, _TINY), np.full_like(a, 1 - offset - _TINY)
    for _ in range(50):
        t = (low + high) / 2
        u = t + offset
        rising = n_a * (t - a) / (t * (1 - t)) + n_b * (u - b) / (u * (1 - u)) > 0
        low, high = np.where(rising, low, t), np.where(rising, t, high)
    return np.asarray((low + high) / 2, dtype=float)


def _log_ratio(n: Array, k: Array, rate: Array, null: Array) -> Array:
    return np.asarray(k * np.log(rate / null) + (n - k) * np.log((1 - rate) / (1 - null)), dtype=float)
