"""Rollouts as objects: what they show, and what is heard of those who patch them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from kept_loop import KEY, World


def test_a_rollout_is_an_object_that_tells_where_it_stands(world: World) -> None:
    rollout = world.with_rollout()
    assert (rollout["spec"]["challenger"], rollout["spec"]["champion"]) == ("3", "1")
    assert rollout["status"]["phase"] == "Running"
    assert rollout["status"]["step"] == "shadow 100%"
    assert [arm["role"] for arm in rollout["status"]["arms"]] == ["champion", "shadow"]
    assert rollout["metadata"]["ownerReferences"][0]["uid"] == world.api.loop()["metadata"]["uid"]
    assert world.api.loop()["status"]["rollout"]["name"] == rollout["metadata"]["name"]


def test_a_rollout_that_a_person_deletes_comes_back(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.delete("", "ModelRollout", "team", name)
    world.look()
    assert [item["metadata"]["name"] for item in world.api.rollouts()] == [name]
    assert world.api.rollouts()[0]["status"]["phase"] == "Running"


def test_a_rollout_keeps_the_steps_that_it_began_with(world: World) -> None:
    began = copy.deepcopy(world.with_rollout()["spec"])
    world.api.patch("ModelLoop", "small", {"rollout": {"steps": [{"canary": "10%", "minOutcomes": 5}]}})
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"
    assert world.api.rollouts()[0]["spec"] == began


def test_labels_and_owner_of_a_rollout_are_repaired(world: World) -> None:
    world.with_rollout()
    metadata = world.api.rollouts()[0]["metadata"]
    metadata["labels"], metadata["ownerReferences"] = {}, []
    world.look()
    metadata = world.api.rollouts()[0]["metadata"]
    assert metadata["labels"]["tidemill.dev/loop"] == "small" and len(metadata["ownerReferences"]) == 1


def test_an_abort_by_kubectl_reaches_the_loop_once(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.patch("ModelRollout", name, {"abort": True})
    world.look()
    world.look()
    assert world.api.rollouts()[0]["status"]["phase"] == "Aborted"
    (asked,) = [r for r in world.documents("request") if r["what"] == "abort"]
    assert asked["by"] == "a user of the Kubernetes API"


def test_an_approval_by_the_cli_shows_on_the_object(world: World) -> None:
    world.with_rollout()
    world.ask("approve")
    world.look()
    assert world.api.rollouts()[0]["spec"]["approved"] is True


def test_an_approval_by_kubectl_reaches_the_loop(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.patch("ModelRollout", name, {"approved": True})
    world.look()
    assert world.documents("rollout")[-1]["approved"] is True


def test_more_than_a_few_rollouts_that_are_over_are_not_kept(world: World) -> None:
    world.with_champion()
    for _ in range(7):
        world.ask("train")
        world.look()
        world.look()
        running = next(r for r in world.api.rollouts() if r["status"]["phase"] == "Running")
        world.api.patch("ModelRollout", running["metadata"]["name"], {"abort": True})
        world.look()
    assert len(world.documents("rollout")) == 7
    assert len(world.api.rollouts()) == 5


def test_a_rollout_that_cannot_be_shown_does_not_stop_the_loop(world: World) -> None:
    world.api.refuses.add("ModelRollout")
    world.with_champion()
    world.ask("train")
    world.look()
    world.look()
    assert world.api.condition("Reconciled")["reason"] == "RolloutNotShown"
    assert world.api.loop()["status"]["rollout"]["step"] == "shadow 100%"


# who paused


def test_what_kubectl_pauses_and_resumes_the_loop_does(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    for paused, phase in ((True, "Paused"), (False, "Running"), (True, "Paused")):
        world.api.patch("ModelRollout", name, {"paused": paused})
        world.look()
        assert bool(world.documents("rollout")[-1].get("held")) is paused
        assert world.api.rollouts()[0]["status"]["phase"] == phase
    assert len([r for r in world.documents("request") if r["what"] in ("pause", "resume")]) == 3


def test_what_the_cli_pauses_and_resumes_the_object_shows(world: World) -> None:
    world.with_rollout()
    for what, paused in (("pause", True), ("resume", False), ("pause", True)):
        world.ask(what)
        world.look()
        assert world.api.rollouts()[0]["spec"]["paused"] is paused
        world.look()  # and what we wrote is nobody's wish
    assert [r["by"] for r in world.documents("request") if r["what"] in ("pause", "resume")] == ["ann"] * 3


@pytest.mark.parametrize("first", ["kubectl", "cli"])
def test_each_side_can_undo_what_the_other_did(world: World, first: str) -> None:
    name = world.with_rollout()["metadata"]["name"]
    sides: dict[str, Callable[[bool], None]] = {
        "kubectl": lambda paused: world.api.patch("ModelRollout", name, {"paused": paused}),
        "cli": lambda paused: world.ask("pause" if paused else "resume"),
    }
    second = "cli" if first == "kubectl" else "kubectl"
    for side, paused in ((first, True), (second, False), (first, True), (second, False)):
        sides[side](paused)
        for _ in range(3):
            world.look()
            assert bool(world.documents("rollout")[-1].get("held")) is paused
            assert bool(world.api.rollouts()[0]["spec"].get("paused")) is paused


def test_an_older_sight_of_the_object_is_nobodys_wish(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.patch("ModelRollout", name, {"paused": True})
    world.look()
    old = copy.deepcopy(world.api.rollouts()[0])
    world.ask("resume")
    world.look()
    world.operator.saw_rollout(old, False)  # a watch that lags behind
    world.operator.step(KEY)
    assert not world.documents("rollout")[-1]["held"]
    assert world.api.rollouts()[0]["spec"]["paused"] is False


def test_a_controller_that_starts_anew_hears_nothing_twice(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.patch("ModelRollout", name, {"paused": True})
    world.look()
    world.start()
    world.ask("resume")
    world.look()
    assert world.api.rollouts()[0]["spec"]["paused"] is False
    world.start()
    world.look()
    assert not world.documents("rollout")[-1]["held"]


def test_a_rollout_that_comes_back_is_still_paused(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.ask("pause")
    world.look()
    world.api.delete("", "ModelRollout", "team", name)
    for _ in range(2):
        world.look()
        assert world.documents("rollout")[-1]["held"] is True
    assert world.api.rollouts()[0]["spec"]["paused"] is True
    world.api.patch("ModelRollout", name, {"paused": False})
    world.look()
    assert world.documents("rollout")[-1]["held"] is False
