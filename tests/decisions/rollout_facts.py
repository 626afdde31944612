"""Facts of a rollout on which nothing is wrong, and blocks to put something wrong into them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.decisions.operation import Arm, Counted, Mirrored, OperationalBlock
from tidemill.decisions.rollout import PairedBlock, RolloutFacts
from tidemill.spec.model_loop import Judge, JudgeMetric, Rollout, Step
from tidemill.stats.sample_ratio import SplitBlock

START = datetime(2013, 3, 1, tzinfo=UTC)
SHADOW, CANARY = 0, 1
ROLLOUT = Rollout(
    steps=(Step(shadow=1.0, min_outcomes=1000), Step(canary=0.1, min_outcomes=500)),
    judge=Judge(
        alpha=0.05,
        metrics=(JudgeMetric(metric="log_loss", margin=0.02), JudgeMetric(metric="error_rate", margin=0.01)),
    ),
)


def paired(*differences: float) -> tuple[PairedBlock, ...]:
    return tuple(
        PairedBlock(f"{START + timedelta(days=i):%Y-%m-%d}", 900, {"log_loss": d, "brier": d / 3})
        for i, d in enumerate(differences)
    )


def arm(keys: float, failed: float = 0, slow: float = 0) -> Arm:
    """Every key for the first time."""
    counted = Counted(keys, failed, slow)
    return Arm(counted, counted, counted, round(keys), round(max(failed, slow)))


def canary(champion: Arm, challenger: Arm, weight: float = 0.1) -> OperationalBlock:
    split = SplitBlock(weight, round(champion.first.keys), round(challenger.first.keys))
    return OperationalBlock(
        "2013-03-10T12:00", champion, challenger, challenger.first, champion.first, Mirrored(), (split,)
    )


def arms(
    blocks: int, champion: tuple[float, float] = (810, 0), challenger: tuple[float, float] = (90, 0)
) -> tuple[OperationalBlock, ...]:
    return (canary(arm(*champion), arm(*challenger)),) * blocks


def mirrored(blocks: int, keys: int, mine: int, other: int = 0, due: int = 0) -> tuple[OperationalBlock, ...]:
    """Blocks of a shadow: `mine` of the keys fail the challenger alone, `other` the champion alone."""
    pairs = Mirrored(due or keys, keys, other, mine)
    block = OperationalBlock("2013-03-05T12:00", tried=Counted(keys, mine), beside=Counted(keys, other), mirrored=pairs)
    return (block,) * blocks


def facts(step: int = SHADOW, **given: Any) -> RolloutFacts:
    usual: dict[str, Any] = {
        "now": START + timedelta(days=10),
        "started_at": START,
        "step": step,
        "ready": True,
        "ready_message": "",
        "artifact_changed": False,
        "paired": paired(*[0.0] * 12),
        "operation": arms(7) if step == CANARY else (),
        "step_outcomes": 5000,
    }
    return RolloutFacts(**{**usual, **given})


def with_(**changes: Any) -> Rollout:
    return ROLLOUT.model_copy(update=changes)
