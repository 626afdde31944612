"""A few of the lives of bench/judge_simulation.py: ticks, data plane, labels, repair and judge together."""

from __future__ import annotations

import numpy as np
import pytest
from judge_simulation import CASES, Case, stream
from rollout_world import World, loop


def lived(case: Case, seed: int = 1) -> dict:
    metrics = [{"metric": "log_loss", "margin": 0.02}]
    rules = loop(case.recalibrate, rollout={"judge": {"metrics": metrics, "block": case.block}})
    return World(rules, stream(np.random.default_rng([1, seed]), case), case.ticks, case.past).live()


def named(name: str, outcomes: str = "rows") -> Case:
    return next(case for case in CASES if case.name == name and case.kind == outcomes)


def test_an_equal_challenger_of_independent_outcomes_is_promoted_in_days_and_not_weeks() -> None:
    ended = lived(named("equal"))
    assert ended["status"] == "promoted"
    assert ended["evidence"]["metrics"][0]["n"] < 1500, "2,500 with one bet a day"


@pytest.mark.parametrize("outcomes", ["rows", "days"])
def test_a_challenger_three_margins_worse_is_aborted(outcomes: str) -> None:
    ended = lived(named("three margins worse", outcomes))
    assert (ended["status"], ended["reason"]) == ("aborted", "Worse")


def test_labels_that_come_later_for_one_class_promote_nobody_who_is_worse() -> None:
    ended = lived(named("positives come 3 days later, 3 margins worse"))
    assert (ended["status"], ended["reason"]) == ("aborted", "Worse")
    assert ended["evidence"]["blocks"] > 0


def test_outcomes_of_days_that_share_a_cause_are_judged_by_days() -> None:
    assert lived(named("equal", "days"))["block_hours"] == 24


def test_batches_that_share_a_cause_are_the_sample_where_a_column_says_so() -> None:
    ended = lived(named("batches, equal", "batches"))
    assert ended["unit"] == "batch"
    (found,) = ended["evidence"]["metrics"]
    assert found["n"] == 50 * found["blocks"], "a batch of 50 rows is one"
    assert found["blocks"] > 40
