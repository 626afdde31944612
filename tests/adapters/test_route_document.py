"""A route as JSON, written and read by releases of different age."""

from __future__ import annotations

import json

import pytest
from tidemill.adapters.route_document import RouteDocument, dumps, loads, standing
from tidemill.loop.model import Arm, ModelVersion, Role, Route

STAND_IN = Route("delay", (Arm("1", Role.CHAMPION, 1.0, stands_in_for="2"),), ("0",))
BY_BATCH = Route("delay", (Arm("2", Role.CHAMPION, 1.0), Arm("3", Role.SHADOW, 0.0, 1.0)), ("1",), unit="batch")
PLAIN = Route("delay", (Arm("2", Role.CHAMPION, 0.9, 1.0), Arm("3", Role.CANARY, 0.1, 1.0)), ("1",))


def written(route: Route) -> str:
    names = ("0", "1", "2", "3")
    return dumps(RouteDocument(route, {name: ModelVersion(name, f"file:///{name}", "d", "t") for name in names}))


@pytest.mark.parametrize("route", [STAND_IN, PLAIN, BY_BATCH])
def test_a_route_is_read_as_it_was_written(route: Route) -> None:
    assert loads(written(route), "here").route == route


def test_an_arm_is_written_with_the_fields_that_the_release_before_takes() -> None:
    for route in (STAND_IN, BY_BATCH):
        for arm in json.loads(written(route))["route"]["arms"]:
            assert set(arm) == {"version", "role", "weight", "mirror", "calibrator"}


def test_a_route_by_a_column_has_one_field_that_the_release_before_passes_over() -> None:
    assert set(json.loads(written(BY_BATCH))["route"]) == {"loop", "arms", "fallback", "unit"}


def test_a_route_whose_fallback_is_away_keeps_its_column() -> None:
    assert standing(BY_BATCH, {"2", "3"}) == Route("delay", BY_BATCH.arms, (), "batch")


def test_a_route_without_a_stand_in_is_written_as_the_release_before_wrote_it() -> None:
    assert set(json.loads(written(PLAIN))["route"]) == {"loop", "arms", "fallback"}


def test_the_first_fallback_that_stands_answers_in_place_of_the_champion() -> None:
    found = standing(PLAIN, {"1", "3"})
    assert found == Route("delay", (Arm("1", Role.CHAMPION, 1.0, stands_in_for="2"),), ())


def test_who_stands_in_for_a_stand_in_does_so_for_the_champion() -> None:
    found = standing(STAND_IN, {"0"})
    assert found == Route("delay", (Arm("0", Role.CHAMPION, 1.0, stands_in_for="2"),), ())


def test_a_stand_in_whose_fallback_is_away_stays_one() -> None:
    assert standing(STAND_IN, {"1"}) == Route("delay", STAND_IN.arms, ())
