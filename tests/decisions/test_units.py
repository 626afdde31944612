"""Outcomes that a column parts: its values are the pieces of evidence, and what is left out is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from tidemill.decisions.judge import AT_LEVEL, PairedBlock, evidence
from tidemill.decisions.rollout import RolloutAction, RolloutFacts, advance
from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import Judge, JudgeMetric, Rollout, Step

START = datetime(2013, 3, 1, tzinfo=UTC)
JUDGE = Judge(metrics=(JudgeMetric(metric="log_loss", margin=0.02),))
ROLLOUT = Rollout(steps=(Step(shadow=1.0, min_outcomes=100),), judge=JUDGE)


def day(number: int, *units: float, parts: tuple[float, ...] | None = None, **more: Any) -> PairedBlock:
    """A closed day of so many units of 50 rows, each with its mean difference."""
    mean = float(np.mean(units)) if units else 0.3
    fields: dict[str, Any] = {
        "parts": {"log_loss": units if parts is None else parts},
        "units": len(units),
        "worst": {"log_loss": max(units)} if units else {},
    }
    return PairedBlock(f"2013-03-{1 + number:02}T00", 50 * len(units) or 40, {"log_loss": mean}, **{**fields, **more})


def facts(*paired: PairedBlock, **given: Any) -> RolloutFacts:
    usual: dict[str, Any] = {
        "now": START + timedelta(days=10), "started_at": START, "step": 0, "ready": True,
        "ready_message": "", "artifact_changed": False, "operation": (), "step_outcomes": 5000,
        "unit": "batch",
    }  # fmt: skip
    return RolloutFacts(**{**usual, "paired": paired, **given})


def test_the_values_are_the_sample_and_not_the_rows_or_the_days() -> None:
    (found,) = evidence(JUDGE, [day(0, 0.01, -0.01, 0.0), day(1, 0.02, 0.0)], (), noisy=True)
    assert (found.blocks, found.n) == (5, 250)
    assert found.worst == 0.02
    assert found.unseen(0.05) == pytest.approx(1 - 0.05 ** (1 / 5))


def test_a_part_of_several_values_is_one_bet() -> None:
    (found,) = evidence(JUDGE, [day(0, 0.01, -0.01, 0.0, 0.0, parts=(0.0, 0.0))], (), noisy=True)
    (two,) = evidence(JUDGE, [day(0, 0.0, 0.0)], (), noisy=True)
    assert (found.blocks, found.e_non_inferior) == (4, two.e_non_inferior)


def test_rows_of_no_value_are_never_a_bet_of_their_own() -> None:
    nothing = [day(number, unplaced=40) for number in range(60)]
    (found,) = evidence(JUDGE, nothing, (), noisy=True)
    assert (found.blocks, found.e_non_inferior, found.e_harm) == (0, 1.0, 1.0)
    assert found.difference == pytest.approx(0.3), "the plain mean is of all rows"


def test_few_rows_of_a_value_are_not_put_together_with_the_next_day() -> None:
    (found,) = evidence(JUDGE, [replace(day(0, 0.01), n=5), replace(day(1, 0.01), n=5)], (), noisy=True)
    (whole,) = evidence(JUDGE, [day(0, 0.01, 0.01)], (), noisy=True)
    assert (found.blocks, found.e_non_inferior) == (2, whole.e_non_inferior)


def test_harm_at_equal_level_is_looked_for_by_the_same_values() -> None:
    block = day(0, 0.01, 0.01)
    block = replace(block, parts={**block.parts, "log_loss" + AT_LEVEL: (0.05, 0.05)})
    (found,) = evidence(JUDGE, [block] * 30, (), noisy=True)
    assert found.e_harm > 1e3


def test_a_verdict_says_how_many_values_it_rests_on_and_what_it_left_out() -> None:
    blocks = [day(number, *[0.001, -0.001] * 5, unplaced=3, returned=7) for number in range(5)]
    verdict = advance(facts(*blocks), ROLLOUT)
    assert (verdict.action, verdict.reason) == (RolloutAction.PROMOTE, Reason.NON_INFERIOR)
    assert "on 50 values of batch" in verdict.message
    assert "the worst value of batch was +0.0010, and bad values of batch rarer than 6%" in verdict.message
    assert "no test counts the 15 outcomes of requests without a value of batch" in verdict.message
    assert "no test counts the 35 outcomes of values of batch that came on an earlier day" in verdict.message
    assert verdict.evidence["block_column"] == "batch"
    assert verdict.evidence["outcomes_without_value"] == 15
    assert verdict.evidence["outcomes_of_earlier_values"] == 35


def test_harm_is_said_to_rest_on_values() -> None:
    verdict = advance(facts(*[day(number, *[0.2] * 4) for number in range(10)]), ROLLOUT)
    assert (verdict.action, verdict.reason) == (RolloutAction.ABORT, Reason.WORSE)
    assert "over 2000 requests (40 values of batch)" in verdict.message
    assert "no test counts" not in verdict.message


def test_while_nothing_can_be_placed_the_wait_says_so() -> None:
    verdict = advance(facts(day(0, unplaced=1), day(1, unplaced=40)), ROLLOUT)
    assert verdict.action is RolloutAction.HOLD
    assert "after 0 values of batch" in verdict.message
    assert "no test counts the 41 outcomes of requests without a value of batch" in verdict.message
    one = advance(facts(day(0, unplaced=1)), ROLLOUT)
    assert "no test counts the one outcome of requests without a value of batch" in one.message


def test_outcomes_that_cannot_be_placed_are_no_data_when_time_is_over() -> None:
    rules = ROLLOUT.model_copy(update={"on_inconclusive": "promote"})
    late = {"now": START + timedelta(days=40)}
    assert advance(facts(day(0, unplaced=40), **late), rules).action is RolloutAction.PAUSE
    assert advance(facts(day(0, 0.05), **late), rules).action is RolloutAction.PROMOTE


def test_one_value_is_one() -> None:
    verdict = advance(facts(day(0, 0.0)), ROLLOUT)
    assert "after 1 value of batch " in verdict.message


def test_outcomes_of_keys_that_came_before_are_told_where_time_parts_the_outcomes_too() -> None:
    verdict = advance(facts(PairedBlock("2013-03-01T00", 100, {"log_loss": 0.0}), unit=None, repeated=7), ROLLOUT)
    assert "no test counts the 7 outcomes of keys that came on an earlier day" in verdict.message
    assert verdict.evidence["outcomes_of_earlier_keys"] == 7
