"""Who is named for a switch that was patched."""

from __future__ import annotations

from typing import Any

import pytest
from kept_loop import World
from tidemill.controller.asked_by import BY, asked_by, managers_of
from tidemill.controller.wanted import Seen


def entry(manager: str, *switches: str) -> dict[str, Any]:
    return {"manager": manager, "fieldsV1": {"f:spec": {f"f:{switch}": {} for switch in switches}}}


BODY = {
    "metadata": {
        "namespace": "team",
        "name": "r",
        "annotations": {BY["abort"]: "ann"},
        "managedFields": [entry("tidemill", "loop"), entry("kubectl-edit", "abort", "paused"), {"manager": "status"}],
    },
    "spec": {"loop": "small", "abort": True},
}


@pytest.mark.parametrize(
    ("named", "switch", "who"),
    [
        (True, "abort", "ann"),
        (True, "paused", "a user of kubectl-edit"),
        (False, "abort", "a user of kubectl-edit"),
        (False, "approved", "a user of the Kubernetes API"),
    ],
)
def test_a_name_counts_where_the_cluster_keeps_names_true(named: bool, switch: str, who: str) -> None:
    item = {**BODY, "managers": managers_of(BODY)}
    assert asked_by(item, switch, named)[0] == who


def test_what_is_not_known_is_where_to_look() -> None:
    assert "audit log" in asked_by(BODY, "paused", True)[1]
    assert "audit log" not in asked_by(BODY, "abort", True)[1]


def test_of_a_rollout_the_programs_are_kept_and_not_the_fields_that_they_wrote() -> None:
    seen = Seen()
    seen.loop({"metadata": {"namespace": "team", "name": "small"}})
    seen.rollout(BODY)
    wanted = seen.wanted(("team", "small"))
    assert wanted is not None
    assert wanted.rollouts["r"]["managers"] == {"abort": "kubectl-edit", "paused": "kubectl-edit"}
    assert "managedFields" not in wanted.rollouts["r"]["metadata"]


@pytest.mark.parametrize(("policy", "who"), [("policy", "ann"), ("unknown", "a user of the Kubernetes API")])
def test_history_has_the_user_who_patched(world: World, policy: str, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidemill.controller.rollouts import Rollouts

    api: Any = world.api
    monkeypatch.setattr(world.place, "rollouts", lambda owner: Rollouts(api, owner, policy == "policy"))
    name = world.with_rollout()["metadata"]["name"]
    named = {"metadata": {"annotations": {BY["paused"]: "ann"}}, "spec": {"paused": True}}
    world.api.merge("", "ModelRollout", "team", name, named)
    world.look()
    (asked,) = [request for request in world.documents("request") if request["what"] == "pause"]
    assert asked["by"] == who


def test_a_switch_that_the_loop_sets_itself_keeps_nobodys_name(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    named = {"metadata": {"annotations": {BY["paused"]: "ann"}}, "spec": {"paused": True}}
    world.api.merge("", "ModelRollout", "team", name, named)
    world.look()
    world.ask("resume")
    world.look()
    assert BY["paused"] not in world.api.rollouts()[0]["metadata"]["annotations"]
