"""Outcomes that a column of the requests parts: how they become evidence, from the prediction log on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_world import Small, model_loop
from stored import turn
from tidemill.decisions.verdict import Reason
from tidemill.loop.documents.blocks import PairDocument
from tidemill.loop.documents.rollout import RolloutDocument
from tidemill.loop.documents.turn import TurnDocument
from tidemill.loop.model import ModelVersion
from tidemill.loop.pairs import kind
from tidemill.loop.rollouts import begin_rollout
from tidemill.loop.tick import tick
from tidemill.loop.units import by_unit, unit_variance
from tried_versions import DAY, FIRST, HOUR, ask, label, rollout, tried

RULES = {
    "steps": [{"shadow": "100%", "minOutcomes": 100}],
    "judge": {"block": {"column": "batch"}, "metrics": [{"metric": "log_loss", "margin": 0.05}]},
    "maxDuration": "30d",
}


@pytest.fixture
def it(tmp_path: Path) -> Small:
    """A shadow since FIRST, whose outcomes are parted by the column `batch`."""
    it = tried(tmp_path, rollout=RULES)
    found = rollout(it).model_copy(update={"unit": "batch"})
    it.context.state.put("small", "rollout", "r", found.stored())
    it.plane._models = {"1": object(), "2": object()}
    it.registry.get = lambda name, version: ModelVersion(version, "memory:", "", "")  # type: ignore[method-assign]
    return it


def came(it: Small, unit: str | None, at: datetime, rows: int = 30, labelled: int | None = None, **more: Any) -> None:
    """A batch whose rows are asked for at once, and have labels an hour later."""
    keys = [f"{unit}-{at:%d%H%M}-{number}" for number in range(rows)]
    ask(it, keys, at, unit=unit, **more)
    label(it, keys[:labelled], at + HOUR)


def closed(it: Small) -> dict[str, PairDocument]:
    found = [PairDocument.read(stored) for stored in it.context.state.documents("small", kind(rollout(it)))]
    return {f"{block.start:%d}": block for block in found}


def usual(it: Small) -> None:
    """Outcomes of the past, from which the loop knows that every label comes."""
    declared = model_loop(rollout=RULES)
    label_ = declared.spec.data.label.model_copy(update={"coverage": 0.9})
    data = declared.spec.data.model_copy(update={"label": label_})
    it.context.loop = declared.model_copy(update={"spec": declared.spec.model_copy(update={"data": data})})


def live(it: Small, until: datetime) -> None:
    usual(it)
    tick(it.context, until)


def test_the_rows_of_a_value_are_one_unit_in_the_order_in_which_the_values_came() -> None:
    unit = pd.Series(["b", "a", "b", None, "old", "a"], dtype=object)
    found = by_unit({"log_loss": np.array([1.0, 2.0, 3.0, 9.0, 9.0, 6.0])}, unit, {"old"})
    assert found.means["log_loss"].tolist() == [2.0, 4.0]
    assert (found.number, found.unplaced, found.returned) == (2, 1, 1)
    assert found.figures()["worst"] == {"log_loss": 4.0}
    assert found.figures()["variance"] == 2.0


def test_rows_without_one_value_are_no_unit() -> None:
    found = by_unit({"log_loss": np.array([1.0, 2.0])}, pd.Series([None, None], dtype=object), set())
    assert (found.number, found.unplaced, found.returned) == (0, 2, 0)
    assert found.figures() == {"units": 0, "unplaced": 2, "returned": 0, "variance": None, "worst": {}}


def test_the_noise_of_a_unit_is_known_once_there_were_twelve() -> None:
    few = [{"units": 11, "variance": 0.5}, {"units": 1}, {"variance": 7.0}]
    assert unit_variance(few) is None
    assert unit_variance([*few, {"units": 3, "variance": 1.1}]) == pytest.approx((10 * 0.5 + 2 * 1.1) / 12)


def test_a_day_closes_into_its_values_and_not_into_its_rows(it: Small) -> None:
    for number in range(15):
        came(it, f"b{number}", FIRST + number * HOUR)
    live(it, FIRST + DAY + 7 * HOUR)
    block = closed(it)["01"]
    assert (block.n, block.units, block.unplaced, block.returned) == (450, 15, 0, 0)
    assert len(block.parts["log_loss"]) == 1, "nothing is known of their noise: twelve make a part"


def test_a_value_that_came_on_an_earlier_day_is_not_counted_again(it: Small) -> None:
    came(it, "b1", FIRST + HOUR)
    came(it, "b1", FIRST + DAY + HOUR, rows=25)
    came(it, "b2", FIRST + DAY + 2 * HOUR)
    live(it, FIRST + 2 * DAY + 7 * HOUR)
    first, second = closed(it)["01"], closed(it)["02"]
    assert (first.units, first.returned) == (1, 0)
    assert (second.n, second.units, second.returned) == (55, 1, 25)
    assert "no test counts the 25 outcomes of values of batch that came on an earlier day" in rollout(it).message


def test_what_came_before_the_rollout_began_does_not_count_as_seen(it: Small) -> None:
    before = FIRST - HOUR
    ask(it, ["early"], before, unit="b1", event_time=FIRST + HOUR)
    came(it, "b2", FIRST + HOUR)
    came(it, "b1", FIRST + DAY + HOUR)
    live(it, FIRST + 2 * DAY + 7 * HOUR)
    assert (closed(it)["02"].units, closed(it)["02"].returned) == (1, 0)


def test_a_value_that_the_challenger_has_not_scored_has_not_come(it: Small) -> None:
    came(it, "b1", FIRST + HOUR, status="error", score=None, raw=None)
    came(it, "b2", FIRST + HOUR)
    came(it, "b1", FIRST + DAY + HOUR)
    live(it, FIRST + 2 * DAY + 7 * HOUR)
    assert (closed(it)["02"].units, closed(it)["02"].returned) == (1, 0)


def test_a_day_that_closes_before_the_one_before_leaves_its_values_to_that(it: Small) -> None:
    came(it, "b1", FIRST + HOUR, labelled=0)
    came(it, "b1", FIRST + DAY + HOUR)
    came(it, "b2", FIRST + DAY + 2 * HOUR)
    live(it, FIRST + 2 * DAY + 7 * HOUR)
    assert list(closed(it)) == ["02"]
    assert (closed(it)["02"].units, closed(it)["02"].returned) == (1, 30)


def test_rows_without_a_value_are_in_no_part_and_are_told(it: Small) -> None:
    came(it, None, FIRST + HOUR)
    came(it, "b1", FIRST + 2 * HOUR)
    came(it, None, FIRST + DAY + HOUR)
    live(it, FIRST + 2 * DAY + 7 * HOUR)
    first, second = closed(it)["01"], closed(it)["02"]
    assert (first.n, first.units, first.unplaced) == (60, 1, 30)
    assert (second.n, second.units, second.unplaced) == (30, 0, 30)
    assert not any(second.parts.values())
    said = "no test counts the 60 outcomes of requests without a value of batch"
    assert said in rollout(it).message
    assert rollout(it).evidence["metrics"][0]["blocks"] == 1


def test_a_champion_that_was_asked_before_the_route_named_the_column_is_placed_by_its_challenger(it: Small) -> None:
    ask(it, ["k"], FIRST + HOUR)
    rows = it.context.ports.log.read(FIRST, FIRST + DAY)
    assert rows["unit"].isna().all()
    again = [{**row, "version": "2", "unit": "b1", "key": "j"} for row in rows.to_dict("records")[:1]]
    alone = [{**row, "version": "1", "unit": None, "key": "j"} for row in rows.to_dict("records")[:1]]
    it.context.ports.log.append([*again, *alone])
    label(it, ["k", "j"], FIRST + 2 * HOUR)
    live(it, FIRST + DAY + 7 * HOUR)
    assert (closed(it)["01"].units, closed(it)["01"].unplaced) == (1, 1)


def test_a_challenger_that_is_as_good_on_every_value_is_promoted(it: Small) -> None:
    usual(it)
    for day in range(6):
        for number in range(12):
            came(it, f"{day}-{number}", FIRST + day * DAY + number * HOUR, score=0.5 + 0.001 * number)
        tick(it.context, FIRST + (day + 1) * DAY + 7 * HOUR)
        if rollout(it).status != "running":
            break
    assert (rollout(it).status, rollout(it).reason) == ("promoted", Reason.NON_INFERIOR)
    assert f"on {12 * (day + 1)} values of batch" in rollout(it).message


def test_few_values_of_many_rows_promote_nobody(it: Small) -> None:
    usual(it)
    for day in range(6):
        came(it, f"{day // 2}", FIRST + day * DAY + HOUR, rows=400)
        tick(it.context, FIRST + (day + 1) * DAY + 7 * HOUR)
    assert rollout(it).status == "running"
    assert "after 3 values of batch" in rollout(it).message
    assert "no test counts the 1200 outcomes of values of batch that came on an earlier day" in rollout(it).message


def test_a_rollout_keeps_the_column_that_it_began_with_and_the_route_names_it(it: Small) -> None:
    usual(it)
    writes = begin_rollout(
        it.context, TurnDocument.read(turn("t9")), {"register": {"version": "2"}, "evaluate": {}}, FIRST
    )
    begun = RolloutDocument.read(writes[0].document)
    assert (begun.unit, begun.block_hours, begun.single_rows) == ("batch", 24, False)
    it.context.loop = model_loop()
    tick(it.context, FIRST + HOUR)
    route = it.plane.route("small")
    assert route is not None
    assert route.unit == "batch"


def test_a_route_without_a_challenger_names_no_column(it: Small) -> None:
    usual(it)
    ended = rollout(it).model_copy(update={"status": "aborted", "ended_at": FIRST})
    it.context.state.put("small", "rollout", "r", ended.stored())
    tick(it.context, FIRST + HOUR)
    route = it.plane.route("small")
    assert route is not None
    assert route.unit is None
