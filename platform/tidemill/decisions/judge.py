"""What the blocks say about each metric of a rollout's judge: figures only, no decision.

Two kinds of evidence. Losses are *paired*: both versions scored the same requests, so a block is one mean difference.
Error rate and latency are compared between *arms*, which answer different requests.

A loss has two differences where the loop recalibrates nightly: as served, and with the challenger moved to the
champion's mean probability of that day (`AT_LEVEL`; no labels are used). On a stormy day the version that expects more
delays wins whatever else it knows, and on a calm day it loses: such level differences, which the repair mends, can be
ten times what is to be judged. So non-inferiority is tested at equal level; harm is tested both ways, and the plain
means of both must be within the margin: a challenger whose level is so wrong that users pay for it is not promoted
either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.spec.model_loop import Judge, JudgeMetric
from tidemill.stats.eprocess import EProcess, harm, non_inferiority, running_max_of_mean
from tidemill.stats.sample_ratio import SplitBlock, sample_ratio
from tidemill.stats.two_arm import RateBlock, rate_difference, rate_harm, rate_non_inferiority

LOSSES = ("log_loss", "brier")
AT_LEVEL = "@level"  # behind a loss's name: the challenger at the champion's level
# Of the alpha for false aborts: a broken split shows after some hundred keys, so it can afford a strict test and leave
# nearly all to the metrics.
SAMPLE_RATIO_SHARE = 0.1


@dataclass(frozen=True)
class PairedBlock:
    """One closed block: `n` requests scored by both versions. `differences`: metric name to mean loss(challenger) -
    mean loss(champion); a metric that is absent was not measured, one that is not finite counts against promotion."""

    partition: str
    n: int
    differences: Mapping[str, float]


@dataclass(frozen=True)
class ArmCounts:
    """Requests of an arm, how many failed, and how many were slower than the declared SLO; and keys that no canary
    step of the rollout had drawn before."""

    requests: int
    errors: int
    slow: int
    new_keys: int


@dataclass(frozen=True)
class ArmBlock:
    """One closed block of both arms. `weight`: the share of keys the challenger answered; 0 while it only mirrored."""

    partition: str
    weight: float
    champion: ArmCounts
    challenger: ArmCounts


@dataclass(frozen=True)
class MetricEvidence:
    """`difference`: challenger minus champion over all blocks, unwinsorised, rows counted alike; None without data; of
    a loss the worse of as served and at equal level. `e_non_inferior` and `e_harm` are running maxima: a decision
    reached stands.
    """

    metric: str
    margin: float
    blocks: int
    n: int
    difference: float | None
    e_non_inferior: float
    e_harm: float

    def non_inferior(self, alpha: float) -> bool:
        """The e-process stands for it, and the plain mean does not speak against it.

        The second condition is a guard, no test: it makes no promotion more likely. It catches what winsorising
        hides, a challenger that is a little better on most days and catastrophic on some.
        """
        return self.e_non_inferior >= 1 / alpha and self.difference is not None and self.difference <= self.margin

    def document(self, alpha: float, harm_threshold: float) -> dict[str, Any]:
        """The figures, JSON-serialisable."""
        return {
            "metric": self.metric,
            "margin": self.margin,
            "blocks": self.blocks,
            "n": self.n,
            "difference": self.difference,
            "e_non_inferior": self.e_non_inferior,
            "needed": 1 / alpha,
            "non_inferior": self.non_inferior(alpha),
            "e_harm": self.e_harm,
            "harm_at": harm_threshold,
        }


def evidence(judge: Judge, paired: Sequence[PairedBlock], arms: Sequence[ArmBlock]) -> tuple[MetricEvidence, ...]:
    """One for each metric that the judge names, in its order."""
    return tuple(
        _paired(metric, paired) if metric.metric in LOSSES else _rates(metric, arms) for metric in judge.metrics
    )


def split_evidence(arms: Sequence[ArmBlock]) -> EProcess:
    """Evidence that requests were not split as the weights say; blocks that were only mirrored have no split."""
    return sample_ratio(
        [SplitBlock(b.weight, b.champion.new_keys, b.challenger.new_keys) for b in arms if 0 < b.weight < 1]
    )


def harm_threshold(judge: Judge) -> float:
    """The e-value at which one metric alone aborts. Guardrails split alpha, because each is one more chance of a false
    abort: P(any) <= sum (Bonferroni). Promotion needs no split: it needs *every* metric, so a challenger that is too
    bad in one is promoted with probability at most that one test's alpha (an intersection-union test, Berger 1982)."""
    return len(judge.metrics) / (judge.alpha * (1 - SAMPLE_RATIO_SHARE))


def split_threshold(judge: Judge) -> float:
    return 1 / (judge.alpha * SAMPLE_RATIO_SHARE)


def _paired(metric: JudgeMetric, blocks: Sequence[PairedBlock]) -> MetricEvidence:
    mine = [block for block in blocks if block.n > 0 and metric.metric in block.differences]
    served = [block.differences[metric.metric] for block in mine]
    level = [block.differences.get(metric.metric + AT_LEVEL, block.differences[metric.metric]) for block in mine]
    means = [_mean(mine, served), _mean(mine, level)]
    return MetricEvidence(
        metric.metric,
        metric.margin,
        len(mine),
        sum(block.n for block in mine),
        None if None in means else max(mean for mean in means if mean is not None),
        non_inferiority(level, metric.margin).running_max,
        # The mean of two e-processes is one: harm is looked for in two ways at the price of one.
        running_max_of_mean(harm(served, metric.margin), harm(level, metric.margin)),
    )


def _mean(blocks: Sequence[PairedBlock], differences: Sequence[float]) -> float | None:
    n = sum(block.n for block in blocks)
    total = sum(block.n * value for block, value in zip(blocks, differences, strict=True))
    return total / n if n and abs(total) < float("inf") else None  # None also for NaN, which compares false


def _rates(metric: JudgeMetric, blocks: Sequence[ArmBlock]) -> MetricEvidence:
    slow = metric.metric == "latency"
    mine = [
        RateBlock(
            block.champion.requests,
            block.champion.slow if slow else block.champion.errors,
            block.challenger.requests,
            block.challenger.slow if slow else block.challenger.errors,
        )
        for block in blocks
        if block.champion.requests + block.challenger.requests > 0
    ]
    return MetricEvidence(
        metric.metric,
        metric.margin,
        len(mine),
        sum(block.n_b for block in mine),
        rate_difference(mine),
        rate_non_inferiority(mine, metric.margin).running_max,
        rate_harm(mine, metric.margin).running_max,
    )
