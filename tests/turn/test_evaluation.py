from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidemill.decisions.accept import AcceptAction
from tidemill.decisions.verdict import Reason
from tidemill.loop.turn.data import Prepared
from tidemill.loop.turn.evaluation import as_served, evaluate
from tidemill.loop.turn.user_code import TrainerFailed
from tidemill.spec.model_loop import ModelLoop, ModelLoopSpec
from tidemill.stats.scores import entropy_rows, log_loss_rows
from turn_world import START, document, rows_of

ROWS = pd.concat([rows_of(day) for day in range(8)], ignore_index=True)
DAYS = ROWS["at"].dt.date.to_numpy()
Y = ROWS["y"].to_numpy()


class Says:
    """P(label = 1) as a function of x."""

    def __init__(self, of_x: Callable[[Any], Any]) -> None:
        self._of_x = of_x

    def predict_proba(self, inputs: pd.DataFrame) -> Any:
        p = np.asarray(self._of_x(inputs["x"].to_numpy()), dtype=float) * np.ones(len(inputs))
        return np.column_stack([1 - p, p])


class Raises:
    def predict_proba(self, inputs: pd.DataFrame) -> Any:
        raise KeyError("a column that is gone")


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


TRUE, HALF = Says(lambda x: sigmoid(1.5 * x)), Says(lambda x: 0.5)


def spec_of(when: str = "daily", **spec: Any) -> ModelLoopSpec:
    found = document("m", **spec)
    found["spec"]["model"]["recalibrate"] = {"when": when}
    return ModelLoop.model_validate(found).spec


def judged(challenger: Any, champion: Any = None, spec: ModelLoopSpec | None = None, **more: Any) -> Any:
    prepared = Prepared(ROWS, ROWS[["x", "z"]], ROWS["y"], np.ones(len(ROWS), dtype=bool))
    return evaluate(prepared, spec or spec_of(), challenger, more.get("baseline", HALF), champion, more.get("until"))


def test_a_true_model_is_accepted_with_its_figures() -> None:
    verdict, record, p = judged(TRUE)
    assert verdict.action is AcceptAction.ACCEPT
    assert record["rows"] == len(p) == len(ROWS)
    assert record["challenger"]["log_loss"] < record["baseline"]["log_loss"]
    assert record["challenger"]["auc"] > 0.7
    assert record["champion"] is None
    assert abs(record["excess"]) < 0.05
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize("answer", [float("nan"), float("inf"), 1.5, -0.2])
def test_an_answer_that_is_no_probability_is_rejected_as_no_number(answer: float) -> None:
    verdict, record, p = judged(Says(lambda x: np.where(x > 2, answer, 0.5)), TRUE, spec_of(evaluation={
        "accept": {"always": True}, "slices": ["place"]}))  # fmt: skip
    assert (verdict.action, verdict.reason) == (AcceptAction.REJECT, Reason.NOT_A_NUMBER)
    assert record["challenger"]["log_loss"] is None
    assert (record["excess"], record["excess_error"]) == (0.0, None)
    assert np.isnan(p).any()
    json.dumps(record, allow_nan=False)


def test_rounding_errors_are_still_probabilities() -> None:
    verdict, _, p = judged(Says(lambda x: np.where(x > 0, 1 + 1e-12, -1e-12)), None, spec_of("never"))
    assert verdict.reason is not Reason.NOT_A_NUMBER
    assert (p.min(), p.max()) == (0.0, 1.0)


def test_a_challenger_that_cannot_predict_says_whose_code_that_is() -> None:
    with pytest.raises(TrainerFailed, match="m:train raised in predict_proba: KeyError"):
        judged(Raises())
    with pytest.raises(TrainerFailed, match="m:base raised in predict_proba"):
        judged(TRUE, baseline=Raises())


def test_a_champion_that_cannot_answer_any_more_is_beaten_by_whatever_can() -> None:
    verdict, record, _ = judged(TRUE, Raises())
    assert verdict.action is AcceptAction.ACCEPT
    assert set(record["champion"].values()) == {None}


def test_a_wrong_shape_is_said() -> None:
    class OneColumn:
        def predict_proba(self, inputs: pd.DataFrame) -> Any:
            return np.full((len(inputs), 1), 0.5)

    with pytest.raises(TrainerFailed, match=r"in shape \(480, 1\), not \(480, 2\)"):
        judged(OneColumn())


def test_a_much_worse_challenger_is_rejected_beside_the_champion() -> None:
    verdict, record, _ = judged(Says(lambda x: sigmoid(0.3 * x)), TRUE, spec_of("never", evaluation={
        "accept": {"minGain": 0.0, "minRows": 50}}))  # fmt: skip
    assert verdict.reason is Reason.NO_BETTER_THAN_CHAMPION
    assert record["champion"]["log_loss"] < record["challenger"]["log_loss"]


def test_rows_that_the_champion_was_trained_on_are_counted() -> None:
    _, record, _ = judged(TRUE, TRUE, until=START.replace(day=4))
    assert record["evidence"]["champion_seen_rows"] == 3 * 60


def test_slices_have_their_figures() -> None:
    _, record, _ = judged(TRUE, TRUE, spec_of(evaluation={"slices": ["place"]}))
    assert {value: part["rows"] for value, part in record["slices"]["place"].items()} == {"north": 240, "south": 240}
    assert record["slices"]["place"]["north"]["challenger"] == record["slices"]["place"]["north"]["champion"]


# as served


def test_a_level_that_the_nightly_repair_mends_is_no_difference() -> None:
    raw, off = sigmoid(1.5 * ROWS["x"].to_numpy()), sigmoid(1.5 * ROWS["x"].to_numpy() - 1.0)
    loss = lambda p: -np.mean(Y * np.log(p) + (1 - Y) * np.log(1 - p))  # noqa: E731
    assert loss(off) - loss(raw) > 0.05
    assert loss(as_served(off, Y, DAYS, True)) - loss(as_served(raw, Y, DAYS, True)) < 0.01


def test_a_day_is_never_corrected_by_its_own_labels() -> None:
    raw = sigmoid(ROWS["x"].to_numpy())
    flipped = np.where(DAYS[0] == DAYS, 1 - Y, Y)
    on_day = as_served(raw, flipped, DAYS, True)[DAYS[0] == DAYS]
    assert np.array_equal(on_day, as_served(raw, Y, DAYS, True)[DAYS[0] == DAYS])


def test_without_the_repair_and_with_a_single_day_raw_is_served() -> None:
    raw = sigmoid(ROWS["x"].to_numpy())
    assert as_served(raw, Y, DAYS, False) is raw
    one = DAYS[0] == DAYS
    assert np.array_equal(as_served(raw[one], Y[one], DAYS[one], True), raw[one])


def test_the_promise_has_the_error_of_its_days() -> None:
    _, record, p = judged(TRUE)
    excess = log_loss_rows(p, Y) - entropy_rows(p)
    daily = pd.Series(excess).groupby(DAYS).mean()
    assert record["excess"] == pytest.approx(excess.mean())
    assert record["excess_error"] == pytest.approx(daily.std() / np.sqrt(8))
    assert record["excess_days"] == 8


def test_a_promise_of_one_day_has_no_known_error() -> None:
    one = ROWS[DAYS[0] == DAYS]
    prepared = Prepared(one, one[["x", "z"]], one["y"], np.ones(len(one), dtype=bool))
    _, record, _ = evaluate(prepared, spec_of(), TRUE, HALF, None, None)
    assert record["excess_error"] is None
    json.dumps(record, allow_nan=False)
