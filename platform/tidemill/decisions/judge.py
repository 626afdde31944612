"""What the blocks say about each metric of a rollout's judge: figures only, no decision.

Two kinds of evidence. Losses are *paired*: both versions scored the same requests, so a block is one mean difference.
Error rate and latency are compared between *arms*, which answer different requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.spec.model_loop import Judge, JudgeMetric
from tidemill.stats.eprocess import EProcess, harm, non_inferiority
from tidemill.stats.sample_ratio import SplitBlock, sample_ratio
from tidemill.stats.two_arm import RateBlock, rate_difference, rate_harm, rate_non_inferiority

LOSSES = ("log_loss", "brier")
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
    """Requests of an arm, how many failed, and how many were slower than the declared SLO."""

    requests: int
    errors: int
    slow: int


@dataclass(frozen=True)
class ArmBlock:
    """One closed block of both arms. `weight`: the share of keys the challenger answered; 0 while it only mirrored."""

    partition: str
    weight: float
    champion: ArmCounts
    challenger: ArmCounts


@dataclass(frozen=True)
class MetricEvidence:
    """`difference`: challenger minus champion over all blocks, unwinsorised, rows counted alike; None without data.
    `e_non_inferior` and `e_harm` are running maxima: a decision reached stands."""

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
        [SplitBlock(b.weight, b.champion.requests, b.challenger.requests) for b in arms if 0 < b.weight < 1]
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
    differences = [block.differences[metric.metric] for block in mine]
    n = sum(block.n for block in mine)
    total = sum(block.n * value for block, value in zip(mine, differences, strict=True))
    mean = total / n if n and abs(total) < float("inf") else None  # None also for NaN, which compares false
    return MetricEvidence(
        metric.metric,
        metric.margin,
        len(mine),
        n,
        mean,
        non_inferiority(differences, metric.margin).running_max,
        harm(differences, metric.margin).running_max,
    )


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
