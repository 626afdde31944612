"""Does the split of traffic do what the route says? A split that does not is a fault, and spoils every comparison.

Source: Lindon & Malek (2022), "Anytime-valid inference for multinomial count data", NeurIPS 35: under the declared
weight w, the beta-binomial marginal likelihood of the counts over their binomial likelihood is a martingale.

Assumption: every key is counted once. A key that comes back always goes to the same arm (the hash is sticky); counted
again and again it would make an honest split look uneven.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .eprocess import EProcess

# How closely the prior sits around the declared weight, as a number of keys: broken splits are mostly badly broken
# (everything to one arm, weights exchanged), but one that drops a tenth of a canary's keys must be found as well.
CONCENTRATIONS = (30.0, 1000.0)
_LOG_LARGEST = 600.0


@dataclass(frozen=True)
class SplitBlock:
    """Keys answered by champion and challenger while the challenger's weight was `weight` (between 0 and 1)."""

    weight: float
    champion: int
    challenger: int


def sample_ratio(blocks: Sequence[SplitBlock]) -> EProcess:
    """Evidence that the challenger's share of keys is not its weight. Blocks of the same weight in a row are one
    experiment; a new weight begins a new one, whose evidence multiplies what was there."""
    path: list[float] = []
    settled = 0.0
    weight, champion, challenger, running = -1.0, 0, 0, 0.0
    for block in blocks:
        if not 0 < block.weight < 1:
            raise ValueError(f"a split has a weight between 0 and 1, not {block.weight}")
        if block.weight != weight:
            settled, weight, champion, challenger = settled + running, block.weight, 0, 0
        champion, challenger = champion + block.champion, challenger + block.challenger
        running = _log_evidence(weight, champion, challenger)
        path.append(math.exp(min(settled + running, _LOG_LARGEST)))
    return EProcess(tuple(path))


def _log_evidence(weight: float, champion: int, challenger: int) -> float:
    null = challenger * math.log(weight) + champion * math.log1p(-weight)
    logs = [
        _log_beta(c * weight + challenger, c * (1 - weight) + champion) - _log_beta(c * weight, c * (1 - weight)) - null
        for c in CONCENTRATIONS
    ]
    top = max(logs)
    return top + math.log(sum(math.exp(value - top) for value in logs) / len(logs))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
