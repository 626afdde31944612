"""Tests by betting: evidence that stays valid however often one looks, and whenever one stops.

An e-process starts at 1 and, under the null hypothesis, is not expected to grow: it is the wealth of somebody who bets
against the null at fair or worse odds. By Ville's inequality P(it ever reaches 1/alpha | null) <= alpha, so a decision
taken when it does is wrong with probability at most alpha, without a plan of when to look.

Sources: Waudby-Smith & Ramdas (2024), "Estimating means of bounded random variables by betting", JRSS-B 86;
Ramdas, Grünwald, Vovk & Shafer (2023), "Game-theoretic statistics and safe anytime-valid inference";
the `share` of `mixture` is the fixed share of Herbster & Warmuth (1998), "Tracking the best expert".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

# Never 1: one value of -1 would then end the game for good. From half stakes up, because few blocks must suffice.
BETS = (0.5, 0.75, 0.95)
FINE = (0.25, 0.5, 0.75, 0.95)  # for many blocks, each of which says little
COUNTED = 3.0  # standard deviations of a noisy block within which it counts in full
NOISE = 2.0  # margins: the standard deviation that a part of a block is made to have
FIRST = 12  # rows of a part while nothing is known of their noise
SMALL, LARGE = 256, 64  # parts of a block
_LOG_LARGEST = 600.0  # e-values are shown and stored; beyond exp(600) they all mean "beyond doubt"


@dataclass(frozen=True)
class EProcess:
    """The running e-value after each block; empty where there was none."""

    path: tuple[float, ...]

    @property
    def e(self) -> float:
        """The present e-value; 1 before the first block."""
        return self.path[-1] if self.path else 1.0

    @property
    def running_max(self) -> float:
        """The largest so far. A decision reached stands: Ville's inequality bounds the maximum, not only the end."""
        return max(1.0, *self.path) if self.path else 1.0


def mixture(
    log_factors: Array,
    prior: Sequence[float] | None = None,
    share: float = 0.0,
    cap: float | Sequence[float] = math.inf,
) -> EProcess:
    """The e-process of a portfolio of bettors.

    `log_factors` has shape (blocks, bettors): the log of the factor by which each bettor's wealth grows on each block,
    every one of them of expectation <= 1 under the null given the past. `prior`: weights (default: equal).
    With share 0 it is the prior-weighted mean of the bettors' wealths. With share > 0 that part of the wealth is
    dealt out afresh by the prior after each block, so that a bettor once ruined can come back when the world has
    changed. `cap` bounds the factor of each block (one number, or one a block): giving winnings away is always
    allowed, and makes a verdict need more than one block.
    """
    blocks, bettors = log_factors.shape
    caps = np.log(np.broadcast_to(np.asarray(cap, dtype=float), (blocks,)))
    log_prior = np.log(np.full(bettors, 1 / bettors) if prior is None else np.asarray(prior, float))
    log_weights, log_e, path = log_prior, 0.0, []
    for t in range(blocks):
        log_wealths = log_weights + log_factors[t]
        log_factor = float(np.logaddexp.reduce(log_wealths))
        log_weights = log_wealths - log_factor
        if share > 0:
            log_weights = np.logaddexp(math.log1p(-share) + log_weights, math.log(share) + log_prior)
        log_e += min(log_factor, float(caps[t]))
        path.append(math.exp(min(log_e, _LOG_LARGEST)))
    return EProcess(tuple(path))


def betting(
    values: Sequence[float] | Array,
    bets: Sequence[float] = BETS,
    prior: Sequence[float] | None = None,
    share: float = 0.0,
) -> EProcess:
    """Evidence against "the mean of each value, given those before it, is at most 0".

    `values` lie in [-1, 1], one per block, in order; a bettor who stakes `bet` (in [0, 1)) of its wealth on each block
    has the wealth prod(1 + bet * value). The mixture over bets needs no tuning and costs at most a factor of their
    number (with equal `prior`). `prior` and `share` as in `mixture`.
    Assumption: the null is about conditional means. A series whose mean is 0 in the long run, but which hovers above
    it for many blocks and then below, is outside it.
    Raises ValueError for values outside [-1, 1] or not finite.

    >>> betting([1.0, 1.0, 1.0], bets=(0.5,)).path
    (1.5, 2.25, 3.375)
    """
    series = np.asarray(values, dtype=float)
    if series.size and not (np.abs(series) <= 1).all():
        raise ValueError(f"betting takes values in [-1, 1], not {values!r}: winsorise them first")
    return mixture(np.log1p(np.outer(series, np.asarray(bets))), prior, share)


def winsorise(values: Sequence[float] | Array, scale: float | Array) -> Array:
    """clip(values, -scale, scale) / scale, in [-1, 1]; infinities count as +-1, NaN as -1 (no data is never success).

    No single block can then more than double the evidence, nor ruin it for good. The price: a null hypothesis about
    values becomes one about *winsorised* values, so rare blocks far beyond `scale` count as `scale`. Callers guard
    against those by looking at the unwinsorised mean too.
    """
    series = np.asarray(values, dtype=float)
    return np.asarray(np.clip(np.where(np.isnan(series), -math.inf, series), -scale, scale) / scale, dtype=float)


def non_inferiority(differences: Sequence[float] | Array, margin: float, noisy: bool = False) -> EProcess:
    """Evidence that the challenger's mean loss exceeds the champion's by less than `margin` (> 0).

    `differences`: per block, mean loss(challenger) - mean loss(champion) on the same requests.
    Null: E[winsorised(margin - difference) | past] <= 0, with the scale 2 * margin. Why 2: an equally good challenger
    then earns half of the most that a block can earn, so 9 to 10 blocks suffice where the block's standard deviation is
    below the margin, while a block counts in full up to three margins of harm. A larger scale buys less masking of bad
    blocks for more blocks of waiting (at 3: 14 blocks).

    `noisy`: blocks of hours, or parts of them, whose noise may be several margins (see `part_ends`). Losses are
    skewed, so that cutting them at two margins would take more off the bad side. The scale then follows the noise:
    COUNTED times the root mean square of the differences before. Where the rows of a block are independent, their
    number decides and not the number of blocks: 1.2 to 1.4 times the rows of a fixed z-test that knows the effect.
    """
    known = np.asarray(differences, dtype=float)
    return betting(winsorise(margin - known, _scale(known, margin, noisy)), FINE if noisy else BETS)


def harm(differences: Sequence[float] | Array, margin: float, noisy: bool = False) -> EProcess:
    """Evidence that the challenger is worse than the champion, at all.

    Null: E[winsorised(difference) | past] <= 0, scale as in `non_inferiority`. Not "<= margin": the margin says how
    much doubt a promotion may leave, because proving superiority would take months; it is no licence for a challenger
    that is known to be worse, when the better one is at hand. The scale keeps the test deaf to differences that are
    small beside the margin.
    """
    known = np.asarray(differences, dtype=float)
    values = winsorise(np.where(np.isnan(known), 0.0, known), _scale(known, margin, noisy))
    return betting(values, FINE if noisy else BETS)


def part_ends(variance: float | None, margin: float, rows: int) -> list[int]:
    """Where the parts of a block of `rows` independent rows end; the last end is `rows`.

    The mean of a part has a standard deviation of NOISE margins: larger parts leave few bets for the rows, smaller ones
    are skewed. `variance` of a single row's difference is that of *earlier* blocks; where none is known, FIRST rows
    make a part. After SMALL such parts the rest of a large block is LARGE parts: it is confirmed, and stays small.
    """
    size = max(FIRST if variance is None else round(variance / (NOISE * margin) ** 2), 1)
    small = min(max(rows // size, 1), SMALL)
    ends = [size * (part + 1) for part in range(small)]
    left = rows - ends[-1]
    if left < LARGE * size:
        return [*ends[:-1], rows]
    return [*ends, *(ends[-1] + left * (part + 1) // LARGE for part in range(LARGE))]


def _scale(differences: Array, margin: float, noisy: bool) -> Array:
    least = np.full(differences.shape, 2 * margin)
    if not noisy or not differences.size:
        return least
    squares = np.cumsum(np.square(np.where(np.isfinite(differences), differences, 0.0)))
    before = np.concatenate([[0.0], squares[:-1] / np.arange(1, len(differences))])
    return np.asarray(np.maximum(least, COUNTED * np.sqrt(before)), dtype=float)


def running_max_of_mean(one: EProcess, other: EProcess) -> float:
    """The largest value so far of the mean of two e-processes on the same blocks, itself an e-process."""
    return max([1.0, *((a + b) / 2 for a, b in zip(one.path, other.path, strict=True))])
