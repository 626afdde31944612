"""Is the stream still exchangeable? A conformal test on nonconformity scores, with a declared rate of false alarms.

Vovk, Nouretdinov and Gammerman (2003), "Testing exchangeability on-line"; Vovk (2021), "Testing randomness online".
The p-value of a score is its rank among the scores before it; without change it is uniform and independent of the
earlier ones. A large score has a small p-value. The mixture of power calibrators over e in (0, 1)

    f(p) = integral of e p^(e - 1) de = (1 - p + p ln p) / (p ln(p)^2)

turns it into an e-value: its expectation under uniform p is 1. These feed the Shiryaev-Roberts fold of `edetector`, so
alarms come at most at the declared rate. The detector starts again after each; the scores behind the ranks go on
growing, so a new regime becomes the norm.

Assumption: without change the scores are exchangeable. Days of one season are not quite: drift of the inputs alone is a
reason to look, not to train.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from math import log

from .edetector import Detection, run


def p_values(ids: Sequence[str], scores: Sequence[float], reference: Sequence[float] = ()) -> list[float]:
    """P-value of each score among `reference` and the scores before it; small where the score is large.

    Ties are broken at random, as exactness demands; the randomness is a digest of the partition's id, so that a fold
    over the same history always gives the same.
    """
    before = sorted(reference)
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


def detect_drift(
    ids: Sequence[str], scores: Sequence[float], false_alarms: float, reference: Sequence[float] = ()
) -> Detection:
    """Alarms of the conformal test, rationed to `false_alarms` a score."""
    return run((calibrate(p) for p in p_values(ids, scores, reference)), false_alarms)


def _uniform(id: str) -> float:
    """In (0, 1], the same for the same id on every machine."""
    return (int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big") + 1) / 2**64
