"""The route follows what can serve, and says who answers in whose place."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_world import Small, events
from tidemill.loop.asking import ask
from tidemill.loop.errors import TemporaryError
from tidemill.loop.model import Arm, ModelVersion, Readiness, Role
from tidemill.loop.routing import reconcile_route
from tried_versions import FIRST, MINUTE, tried


@pytest.fixture
def it(tmp_path: Path) -> Small:
    """Champion 1 with a canary, and its predecessor 0."""
    it = tried(tmp_path, canary=0.5)
    champion = it.context.state.get("small", "champion", "current")
    assert champion is not None
    it.context.state.put("small", "champion", "current", {**champion, "previous": "0"})
    it.registry.get = lambda name, version: ModelVersion(version, "memory:", "d", "t")  # type: ignore[method-assign]
    it.plane._models = {"0": object(), "1": object(), "2": object()}
    return it


def away(it: Small, *names: str) -> None:
    def prepare(version: ModelVersion) -> Readiness:
        return Readiness(version.version not in names, "Its files changed.")

    it.plane.prepare = prepare  # type: ignore[method-assign]


def arms(it: Small) -> tuple[Arm, ...]:
    route = it.plane.route("small")
    assert route is not None
    return route.arms


def test_a_fallback_answers_in_place_of_a_champion_that_cannot_serve_and_alone(it: Small) -> None:
    away(it, "1")
    reconcile_route(it.context, FIRST)
    assert arms(it) == (Arm("0", Role.CHAMPION, 1.0, stands_in_for="1"),)


def test_the_ledger_names_the_stand_in_as_such(it: Small) -> None:
    away(it, "1")
    reconcile_route(it.context, FIRST)
    (line,) = events(it.context, "route.changed")
    assert "version 0 answers 100% in place of champion 1, which cannot serve" in line["message"]
    assert [arm["stands_in_for"] for arm in line["evidence"]["arms"]] == ["1"]


def test_a_champion_that_can_serve_again_has_its_place_again(it: Small) -> None:
    away(it, "1")
    reconcile_route(it.context, FIRST)
    away(it)
    reconcile_route(it.context, FIRST + MINUTE)
    assert [(arm.version, arm.stands_in_for) for arm in arms(it)] == [("1", None), ("2", None)]
    assert len(events(it.context, "route.changed")) == 2


def test_a_stand_in_that_becomes_the_champion_is_one_no_more(it: Small) -> None:
    away(it, "1")
    reconcile_route(it.context, FIRST)
    champion = it.context.state.get("small", "champion", "current")
    assert champion is not None
    it.context.state.put("small", "champion", "current", {**champion, "version": "0", "previous": None})
    reconcile_route(it.context, FIRST + MINUTE)
    assert arms(it) == (Arm("0", Role.CHAMPION, 1.0),)
    assert len(events(it.context, "route.changed")) == 2


def test_a_route_without_a_stand_in_is_described_as_the_release_before_did(it: Small) -> None:
    reconcile_route(it.context, FIRST)
    (line,) = events(it.context, "route.changed")
    for arm in line["evidence"]["arms"]:
        assert set(arm) == {"version", "role", "weight", "mirror", "calibrator"}


def raises(it: Small, *names: str) -> None:
    def prepare(version: ModelVersion) -> Readiness:
        if version.version in names:
            raise TemporaryError(f"no word of {version.version}")
        return Readiness(True)

    it.plane.prepare = prepare  # type: ignore[method-assign]


def test_what_the_route_names_stands_though_it_cannot_be_looked_after_and_that_is_told(it: Small) -> None:
    reconcile_route(it.context, FIRST)
    ask(it.context.state, "small", "abort", "ann", "", FIRST)
    raises(it, "0", "1")
    with pytest.raises(TemporaryError, match="no word of 1"):
        reconcile_route(it.context, FIRST + MINUTE)
    route = it.plane.route("small")
    assert route is not None
    assert (route.arms, route.fallback) == ((Arm("1", Role.CHAMPION, 1.0),), ("0",))


def test_a_fallback_that_is_new_in_the_route_and_cannot_be_looked_after_stays_out_of_it(it: Small) -> None:
    raises(it, "0")
    with pytest.raises(TemporaryError):
        reconcile_route(it.context, FIRST)
    route = it.plane.route("small")
    assert route is not None
    assert ([arm.version for arm in route.arms], route.fallback) == (["1", "2"], ())


def test_a_champion_that_is_new_in_the_route_waits_until_it_can_be_looked_after(it: Small) -> None:
    raises(it, "1")
    with pytest.raises(TemporaryError):
        reconcile_route(it.context, FIRST)
    assert it.plane.route("small") is None
