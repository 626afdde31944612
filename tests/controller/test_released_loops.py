"""Loops that are deleted, changed by others, or seen for the first time."""

from __future__ import annotations

import copy

import pytest
from controller_world import SPEC
from kept_loop import KEY, World
from tidemill.controller.keeper import SOON
from tidemill.controller.wanted import FINALIZER


def test_a_loop_is_held_before_anything_is_made_for_it(world: World) -> None:
    world.make()
    world.look()
    assert world.api.loop()["metadata"]["finalizers"] == [FINALIZER]


def test_the_finalizers_of_others_stay(world: World) -> None:
    world.make()
    world.api.loop()["metadata"]["finalizers"] = ["someone.else/holds"]
    world.look()
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert world.api.loop()["metadata"]["finalizers"] == ["someone.else/holds"]


def test_a_deleted_loop_ends_its_turn_and_goes(world: World) -> None:
    home = world.make()
    (home / "never-ends").touch()
    world.look()
    (turn,) = world.documents("turn")
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert ("ModelLoop", *KEY) not in world.api.objects
    assert (home / "cancelled").read_text().split() == [turn["id"]]
    (turn,) = world.documents("turn")
    assert (turn["status"], turn["reason"]) == ("failed", "Cancelled")
    assert world.state.get("team/small", "loop", "self")["deleted_at"]  # type: ignore[index]


def test_a_loop_whose_backend_is_away_says_so_and_is_let_go_by_force(world: World) -> None:
    home = world.make()
    (home / "never-ends").touch()
    (home / "cancel.refused").touch()
    world.look()
    world.api.delete("", "ModelLoop", *KEY)
    for _ in range(2):
        world.look()
    told = world.api.condition("Reconciled")
    assert told["reason"] == "ReleaseFailed"
    assert "Kubeflow does not answer" in told["message"]
    assert "kubectl annotate modelloop small -n team tidemill.dev/force-delete=true" in told["message"]
    assert [event for event, _ in world.told].count("loop.release.failed") == 1
    world.note("force-delete", "true")
    world.look()
    assert ("ModelLoop", *KEY) not in world.api.objects


def test_a_loop_that_was_never_right_can_be_deleted(world: World) -> None:
    world.make({**SPEC, "window": 7}, history=False)
    world.look()
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert ("ModelLoop", *KEY) not in world.api.objects


def test_a_turn_is_ended_though_the_spec_was_spoilt_meanwhile(world: World) -> None:
    home = world.make()
    (home / "never-ends").touch()
    world.look()
    world.api.loop()["spec"] = {"window": 7}
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert (home / "cancelled").exists()
    assert ("ModelLoop", *KEY) not in world.api.objects


def test_a_paused_loop_can_be_deleted(world: World) -> None:
    world.with_champion()
    world.note("paused", "true")
    world.look()
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert ("ModelLoop", *KEY) not in world.api.objects


def test_a_loop_that_is_made_again_goes_on_from_its_history(world: World) -> None:
    world.with_champion()
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    world.operator.saw_loop({"metadata": {"namespace": "team", "name": "small", "uid": "-"}, "spec": {}}, True)
    world.api.apply({"kind": "ModelLoop", "metadata": {"namespace": "team", "name": "small"}, "spec": SPEC})
    world.look()
    assert world.api.loop()["status"]["champion"]["version"] == "1"
    assert not world.state.get("team/small", "loop", "self").get("deleted_at")  # type: ignore[union-attr]


def test_an_object_that_somebody_changes_meanwhile_keeps_what_they_wrote(world: World) -> None:
    world.make()
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    world.api.merge("", "ModelLoop", *KEY, {"metadata": {"finalizers": ["someone.else/holds"]}})
    world.operator.step(KEY)  # on the older sight
    assert world.api.loop()["metadata"]["finalizers"] == ["someone.else/holds", FINALIZER]


def test_an_api_server_that_is_away_is_asked_again_soon(world: World) -> None:
    world.make()
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    world.api.away = True
    assert world.operator.step(KEY) == pytest.approx(SOON, rel=0.11)
    world.api.away = False
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"


@pytest.mark.parametrize(
    ("woken", "hurry"), [("2099-01-01T00:00:00+00:00", True), ("2001-01-01T00:00:00Z", False), (None, False)]
)
def test_a_controller_that_starts_takes_its_time_but_for_loops_that_were_woken(
    world: World, woken: str | None, hurry: bool
) -> None:
    world.make(history=False)
    world.look()
    world.note("woken-at", woken)
    world.start()
    world.operator._every = 1e6
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    assert (world.queue.take(0.0) == KEY) is hurry


def test_a_controller_that_starts_hurries_to_a_loop_that_was_changed(world: World) -> None:
    world.make(history=False)
    world.look()
    world.api.patch("ModelLoop", "small", {"window": {"holdOut": "4d"}})
    world.start()
    world.operator._every = 1e6
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    assert world.queue.take(0.0) == KEY


def test_a_tick_that_hangs_is_told_on_the_object_until_one_is_done(world: World) -> None:
    world.with_champion()
    world.operator.slow(KEY, 61.0)
    assert world.api.condition("Reconciled")["reason"] == "TickSlow"
    assert world.told[-1][0] == "tick.slow"
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"


def test_a_right_that_is_missing_is_told(world: World) -> None:
    world.make()
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    world.api.refuses.add("ModelLoop")
    world.operator.step(KEY)
    assert world.told == [("tick.failed", "You may not write ModelLoops.")]
    assert world.documents("turn") == []  # nothing is made that could not be released


def test_a_deletion_that_the_watch_missed_is_found_out(world: World) -> None:
    world.with_champion()
    del world.api.objects["ModelLoop", "team", "small"]
    world.operator._asked[KEY] = float("-inf")
    assert world.operator.step(KEY) is None
    assert world.operator._seen.wanted(KEY) is None
