"""What the blocks say about each metric of a rollout's judge: figures only, no decision.

Two kinds of evidence. Losses are *paired*: both versions scored the same requests, so a block is one mean difference.
Error rate and latency are compared between *arms*, which answer different keys.

A loss has two differences where the loop recalibrates nightly: as served, and with the challenger moved to the
champion's mean probability of that block (`AT_LEVEL`; no labels are used). On a stormy day the version that expects
more delays wins whatever else it knows, and on a calm day it loses: such level differences, which the repair mends, can
be ten times what is to be judged. So non-inferiority is tested at equal level; harm is tested both ways, and the plain
means of both must be within the margin: a challenger whose level is so wrong that users pay for it is not promoted
either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tidemill.spec.model_loop import Judge, JudgeMetric
from tidemill.stats.eprocess import EProcess, harm, non_inferiority, running_max_of_mean
from tidemill.stats.sample_ratio import sample_ratio
from tidemill.stats.two_arm import RateBlock, rate_difference, rate_harm, rate_non_inferiority

from .operation import Arm, OperationalBlock, most_of

LOSSES = ("log_loss", "brier")
AT_LEVEL = "@level"  # behind a loss's name: the challenger at the champion's level
# Of the alpha for false aborts: a broken split shows after some hundred keys, and so does a shadow that fails. Both can
# afford a strict test, and leave most to the metrics.
SAMPLE_RATIO_SHARE = MIRROR_SHARE = 0.1
LEAST_PAIRS = 20  # a block of fewer pairs is put together with the next: its mean is noise, and would be a whole bet


@dataclass(frozen=True)
class PairedBlock:
    """One closed block: `n` labelled requests scored by both versions. `differences`: metric name to mean
    loss(challenger) - mean loss(champion); a metric that is absent was not measured, one that is not finite counts
    against promotion. `parts`: the same for a few consecutive rows each, where single rows are independent; or for a
    few of `units`, the values of a column by which rows are parted (None: by time alone). `unplaced` rows have no value
    of it and `returned` rows one that came on an earlier day: they are in no part. `worst`: of a single unit.
    `in_order`: no earlier block still waits for labels. Blocks close late on hard days, so those that close first are
    no fair sample: "no worse" is proven on blocks in order alone."""

    id: str
    n: int
    differences: Mapping[str, float]
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    units: int | None = None
    unplaced: int = 0
    returned: int = 0
    worst: Mapping[str, float] = field(default_factory=dict)
    in_order: bool = True

    @property
    def pieces(self) -> int:
        """How many times something independent was seen."""
        return 1 if self.units is None else self.units


@dataclass(frozen=True)
class MetricEvidence:
    """`difference`: challenger minus champion over all blocks, unwinsorised, rows counted alike; None without data; of
    a loss the worse of as served and at equal level. `blocks`: of time, or units where a column parts the rows;
    `in_order`: those before the first block that still waits. `worst`: the largest difference of a single one.
    `e_non_inferior` and `e_harm` are running maxima: a decision reached stands.
    """

    metric: str
    margin: float
    blocks: int
    n: int
    difference: float | None
    e_non_inferior: float
    e_harm: float
    worst: float | None = None
    in_order: int = 0

    def non_inferior(self, alpha: float) -> bool:
        """The e-process stands for it, and the plain mean does not speak against it.

        The second condition is a guard, no test: it makes no promotion more likely. It catches what winsorising
        hides, a challenger that is a little better on most days and catastrophic on some.
        """
        return self.e_non_inferior >= 1 / alpha and self.difference is not None and self.difference <= self.margin

    def unseen(self, alpha: float) -> float | None:
        """Bad blocks that are rarer than this share may not have come yet, at confidence 1 - alpha: (1 - share)^blocks
        = alpha (the rule of three). No test can tell of a catastrophe that has not happened."""
        return 1 - alpha ** (1 / self.blocks) if self.blocks else None

    def document(self, alpha: float, harm_threshold: float) -> dict[str, Any]:
        """The figures, JSON-serialisable."""
        return {
            "metric": self.metric,
            "margin": self.margin,
            "blocks": self.blocks,
            "n": self.n,
            "difference": self.difference,
            "worst": self.worst,
            "rarer_than_unseen": self.unseen(alpha),
            "e_non_inferior": self.e_non_inferior,
            "needed": 1 / alpha,
            "non_inferior": self.non_inferior(alpha),
            "e_harm": self.e_harm,
            "harm_at": harm_threshold,
        }


def evidence(
    judge: Judge, paired: Sequence[PairedBlock], operation: Sequence[OperationalBlock], noisy: bool = False
) -> tuple[MetricEvidence, ...]:
    """One for each metric that the judge names, in its order. `noisy`: blocks of outcomes are shorter than a day."""
    together = enough_together(paired)
    in_order = enough_together(sorted((block for block in paired if block.in_order), key=lambda block: block.id))
    rates = tuple((block.champion, block.challenger, most_of(block)) for block in operation)
    return tuple(
        _paired(metric, together, in_order, noisy)
        if metric.metric in LOSSES
        else _rates(metric.metric, metric.margin, rates)
        for metric in judge.metrics
    )


def enough_together(blocks: Sequence[PairedBlock]) -> list[PairedBlock]:
    """Blocks of fewer than LEAST_PAIRS put together with those after them; what is left at the end waits. Numbers of
    rows are no outcomes, so that this choice cannot favour a side."""
    found: list[PairedBlock] = []
    open_: list[PairedBlock] = []
    for block in blocks:
        if block.parts or block.units is not None:
            found.append(block)
            continue
        open_.append(block)
        if sum(part.n for part in open_) >= LEAST_PAIRS:
            found.append(_together(open_))
            open_ = []
    return found


def split_evidence(operation: Sequence[OperationalBlock]) -> EProcess:
    """Evidence that keys were not split as the weights said with which each of them was routed."""
    return sample_ratio([part for block in operation for part in block.split])


def harm_threshold(judge: Judge) -> float:
    """The e-value at which one metric alone aborts. Guards split alpha, because each is one more chance of a false
    abort: P(any) <= sum (Bonferroni). Promotion needs no split: it needs *every* metric, so a challenger that is too
    bad in one is promoted with probability at most that one test's alpha (an intersection-union test, Berger 1982)."""
    return len(judge.metrics) / (judge.alpha * (1 - SAMPLE_RATIO_SHARE - MIRROR_SHARE))


def split_threshold(judge: Judge) -> float:
    return 1 / (judge.alpha * SAMPLE_RATIO_SHARE)


def mirror_threshold(judge: Judge) -> float:
    """For failures in the shadow, which are guarded whatever the metrics are."""
    return 1 / (judge.alpha * MIRROR_SHARE)


def _together(blocks: Sequence[PairedBlock]) -> PairedBlock:
    if len(blocks) == 1:
        return blocks[0]
    n = sum(block.n for block in blocks)
    names = set.intersection(*(set(block.differences) for block in blocks))
    means = {name: sum(block.n * block.differences[name] for block in blocks) / n for name in names}
    return PairedBlock(f"{blocks[0].id}..{blocks[-1].id}", n, means)


def _paired(
    metric: JudgeMetric, blocks: Sequence[PairedBlock], in_order: Sequence[PairedBlock], noisy: bool
) -> MetricEvidence:
    mine = _measured(blocks, metric.metric)
    served, level = _pieces(mine, metric.metric, ""), _pieces(mine, metric.metric, AT_LEVEL)
    proven = _pieces(_measured(in_order, metric.metric), metric.metric, AT_LEVEL)
    of_blocks = [block.differences[metric.metric] for block in mine]
    at_level = [block.differences.get(metric.metric + AT_LEVEL, block.differences[metric.metric]) for block in mine]
    means = [_mean(mine, of_blocks), _mean(mine, at_level)]
    return MetricEvidence(
        metric.metric,
        metric.margin,
        sum(block.pieces for block in mine),
        sum(block.n for block in mine),
        None if None in means else max(mean for mean in means if mean is not None),
        non_inferiority(proven, metric.margin, noisy).running_max,
        # The mean of two e-processes is one: harm is looked for in two ways at the price of one.
        running_max_of_mean(harm(served, metric.margin, noisy), harm(level, metric.margin, noisy)),
        max((value for value in _worst(mine, metric.metric) if math.isfinite(value)), default=None),
        sum(block.pieces for block in _measured(in_order, metric.metric)),
    )


def _measured(blocks: Sequence[PairedBlock], name: str) -> list[PairedBlock]:
    return [block for block in blocks if block.n > 0 and name in block.differences]


def _pieces(blocks: Sequence[PairedBlock], name: str, level: str) -> list[float]:
    """What is bet on, in order: the parts of a block where it has some, else the block; never a block as a whole whose
    rows belong to units, nor those of its rows that belong to none."""
    found: list[float] = []
    for block in blocks:
        parts = block.parts.get(name + level) or block.parts.get(name)
        whole = () if block.units is not None else (block.differences.get(name + level, block.differences[name]),)
        found += parts if parts else whole
    return found


def _worst(blocks: Sequence[PairedBlock], name: str) -> list[float]:
    """The largest difference of each block; where rows are parted by a column, of its units."""
    found = [block.differences.get(name) if block.units is None else block.worst.get(name) for block in blocks]
    return [value for value in found if value is not None]


def _mean(blocks: Sequence[PairedBlock], differences: Sequence[float]) -> float | None:
    n = sum(block.n for block in blocks)
    total = sum(block.n * value for block, value in zip(blocks, differences, strict=True))
    return total / n if n and abs(total) < float("inf") else None  # None also for NaN, which compares false


@lru_cache(maxsize=32)  # blocks of minutes are many, and a look in between finds the same ones
def _rates(metric: str, margin: float, blocks: tuple[tuple[Arm, Arm, float], ...]) -> MetricEvidence:
    """Keys are the unit: "no worse" on keys of the first time alone, "worse" on keys at risk (see `operation`)."""
    slow = metric == "latency"
    first, at_risk = [], []
    for champion, challenger, most in blocks:
        if champion.first.keys + challenger.first.keys > 0:
            first.append(_rate(champion.first, challenger.first, slow))
        mine, other = (arm.never_slow if slow else arm.failure_free for arm in (challenger, champion))
        if mine.keys + other.keys > 0:
            at_risk.append(_rate(other, mine, slow, most))
    return MetricEvidence(
        metric,
        margin,
        len(first),
        round(sum(block.n_b for block in first)),
        rate_difference(first),
        rate_non_inferiority(first, margin).running_max,
        rate_harm(at_risk, margin).running_max,
    )


def _rate(champion: Any, challenger: Any, slow: bool, most: float | None = None) -> RateBlock:
    a, b = (counted.slow if slow else counted.failed for counted in (champion, challenger))
    block = RateBlock(champion.keys, a, challenger.keys, b)
    return block if most is None else RateBlock(block.n_a, a, block.n_b, b, most)
