"""Is the stream still exchangeable? A conformal test on nonconformity scores, with a declared rate of false alarms.

Vovk, Nouretdinov and Gammerman (2003), "Testing exchangeability on-line"; Vovk (2021), "Testing randomness online".
The p-value of a score is its rank among the scores before it; without change it is uniform and independent of the
earlier ones. A large score has a small p-value. The mixture of power calibrators over e in (0, 1)

    f(p) = integral of e p^(e - 1) de = (1 - p + p ln p) / (p ln(p)^2)

turns it into an e-value: its expectation under uniform p is 1. These feed the Shiryaev-Roberts fold of `edetector`, so
alarms come at most at the declared rate. The detector starts again after each; the scores behind the ranks go on
growing, so a new regime becomes the norm.

Assumption: without change what a score has that the one before it did not foretell (see `innovations`) is exchangeable,
as it is for scores of an AR(1) process. Days of one season are not quite: drift of the inputs alone is a reason to
look, not to train. Simulated years of 365 scores, declared 1 alarm: .2 where scores are independent, .6 where their
lag-1 correlation is .8, 1.0 at .9 (`tests/stats/test_conformal.py`).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from math import log

import numpy as np

from .edetector import Detection, run

LEAST = 15  # scores before a correlation is fitted
CUT = 4.0
MOST = 0.95


def p_values(ids: Sequence[str], scores: Sequence[float]) -> list[float]:
    """P-value of each score among the scores before it; small where the score is large.

    Ties are broken at random, as exactness demands; the randomness is a digest of the partition's id, so that a fold
    over the same history always gives the same.
    """
    before: list[float] = []
    found = []
    for id, score in zip(ids, scores, strict=True):
        larger = len(before) - bisect_right(before, score)
        equal = bisect_right(before, score) - bisect_left(before, score) + 1
        found.append((larger + _uniform(id) * equal) / (len(before) + 1))
        insort(before, score)
    return found


def calibrate(p: float) -> float:
    """f(p) above: an e-value of a p-value. Raises ValueError outside (0, 1]."""
    if not 0 < p <= 1:
        raise ValueError(f"a p-value lies in (0, 1], not {p}")
    if p > 1 - 1e-4:
        return 0.5 + (1 - p) / 6  # the series at 1, where the formula loses all its digits
    return (1 - p + p * log(p)) / (p * log(p) ** 2)


def detect_drift(ids: Sequence[str], scores: Sequence[float], false_alarms: float) -> Detection:
    """Alarms of the conformal test on what each score has that the one before it did not foretell, rationed to
    `false_alarms` a score. What was said of earlier scores never changes with later ones."""
    return run((calibrate(p) for p in p_values(ids, innovations(scores))), false_alarms)


def innovations(scores: Sequence[float]) -> list[float]:
    """Each score less what the one before it foretells: s_t - c - phi (s_(t-1) - c), with c the median and phi the
    lag-1 correlation of the scores before t, one standard error added to phi, since too little of it is what raises
    false alarms. Scores of an AR(1) process become about exchangeable; a step of size d stays a step of (1 - phi) d.

    Scores are winsorised at CUT robust deviations first: one storm is neither a correlation nor two surprises.
    """
    found = list(scores[:LEAST])
    for index in range(len(found), len(scores)):
        past = np.asarray(scores[:index])
        center = float(np.median(past))
        spread = CUT * 1.4826 * float(np.median(np.abs(past - center)))
        cut = np.clip(past - center, -spread, spread)
        square = float(cut @ cut)
        phi = float(cut[1:] @ cut[:-1]) / square if square else 0.0
        phi = min(max(phi + ((1 - phi**2) / index) ** 0.5, 0.0), MOST) if phi > 1 / index**0.5 else 0.0
        found.append(float(scores[index] - center - phi * cut[-1]))
    first = float(np.median(found[:LEAST])) if found else 0.0
    return [value - first for value in found[:LEAST]] + found[LEAST:]


def _uniform(id: str) -> float:
    """In (0, 1], the same for the same id on every machine."""
    return (int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big") + 1) / 2**64
