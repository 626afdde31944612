"""Rollouts as objects of the cluster: shown from the state store, and what a person patches there asked of the loop.

The state store is what is so; a ModelRollout that somebody deletes comes back, and one that is long over goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidemill.loop.asking import ask
from tidemill.loop.context import Context
from tidemill.loop.errors import NothingToDo

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes_api import KubernetesApi
    from tidemill.loop.ports import State

    from .place import Owner

KIND, VERSION = "ModelRollout", "tidemill.dev/v1alpha1"
LOOP = "tidemill.dev/loop"
KEPT = 5  # rollouts that are over and still shown
_PHASES = {"running": "Running", "paused": "Paused", "promoted": "Promoted", "aborted": "Aborted"}
_ACTIONS = {"running": "hold", "paused": "pause", "promoted": "promote", "aborted": "abort"}


class Rollouts:
    """Of one loop. What it wrote last is remembered, so that nothing is written twice."""

    def __init__(self, api: KubernetesApi, owner: Owner) -> None:
        self._api, self._owner = api, owner

    def present(self) -> dict[str, dict[str, Any]]:
        found = self._api.list(VERSION, KIND, self._owner.namespace, f"{LOOP}={self._owner.name}")["items"]
        return {str(item["metadata"]["name"]): item for item in found}

    def ask(self, state: State, present: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
        """What was patched since it was looked at last is asked of the loop, once."""
        for rollout in state.documents(self._owner.name, "rollout"):
            item = present.get(rollout_name(self._owner.name, rollout["id"]))
            if item is None or rollout["status"] not in ("running", "paused"):
                continue
            for what in _wishes(item["spec"], rollout):
                generation = item["metadata"].get("generation", 1)
                try:
                    ask(
                        state, self._owner.name, what, "kubectl", "ModelRollout", now,
                        once=f"{rollout['id']}/{generation}",
                    )  # fmt: skip
                except NothingToDo:
                    continue  # it ended in this very moment

    def show(self, context: Context, present: Mapping[str, Mapping[str, Any]]) -> None:
        rollouts = context.state.documents(context.name, "rollout")
        over = [rollout for rollout in rollouts if rollout["status"] not in ("running", "paused")]
        shown = [rollout for rollout in rollouts if rollout not in over[:-KEPT]]
        names = {rollout_name(context.name, rollout["id"]): rollout for rollout in shown}
        for name, rollout in names.items():
            item, spec = present.get(name), rollout_spec(context, rollout)
            if item is None or any(item["spec"].get(key) != value for key, value in spec.items()):
                item = self._api.apply(self._object(name, spec))
            status = rollout_status(context, rollout, int(item["metadata"].get("generation", 1)))
            before = item.get("status") or {}
            if any(before.get(key) != value for key, value in status.items()):
                self._api.merge(VERSION, KIND, self._owner.namespace, name, {"status": status}, part="status")
        for name in present.keys() - names.keys():
            self._api.delete(VERSION, KIND, self._owner.namespace, name)

    def _object(self, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        owner = self._owner
        labels = {LOOP: owner.name, "app.kubernetes.io/managed-by": "tidemill"}
        metadata = {
            "name": name, "namespace": owner.namespace, "labels": labels, "ownerReferences": [owner.reference],
        }  # fmt: skip
        return {"apiVersion": VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def rollout_name(loop: str, id: str) -> str:
    return f"{loop}-{id}"


def rollout_spec(context: Context, rollout: Mapping[str, Any]) -> dict[str, Any]:
    """Without the switches: those are other people's."""
    steps = [step.model_dump(by_alias=True, mode="json", exclude_none=True) for step in context.spec.rollout.steps]
    return {
        "loop": context.name,
        "challenger": rollout["challenger"],
        "champion": rollout["champion"],
        "turn": rollout["turn"],
        "steps": rollout.get("declared") or steps,
    }


def rollout_status(context: Context, rollout: Mapping[str, Any], generation: int) -> dict[str, Any]:
    held = bool(rollout.get("held")) and rollout["status"] == "running"
    phase = "Paused" if held else "Preparing" if not rollout["steps"] else _PHASES[rollout["status"]]
    if rollout["status"] in ("promoted", "aborted"):
        phase = _PHASES[rollout["status"]]
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "phase": phase,
        "step": step_of(rollout),
        "arms": _arms(context, rollout),
        "evidence": rollout.get("evidence") or {},
        "verdict": {
            "action": _ACTIONS[rollout["status"]],
            "reason": rollout["reason"],
            "message": rollout.get("message") or "",
        },
        "startedAt": rollout["started_at"],
    }
    if rollout.get("ended_at"):
        status["endedAt"] = rollout["ended_at"]
    return status


def step_of(rollout: Mapping[str, Any]) -> str:
    if not rollout["steps"]:
        return "getting ready"
    step = rollout["steps"][-1]
    kind = "shadow" if step.get("shadow") is not None else "canary"
    return f"{kind} {step[kind]:.0%}"


def _arms(context: Context, rollout: Mapping[str, Any]) -> list[dict[str, Any]]:
    route = context.ports.serving.route(context.name)
    if route is None or rollout["status"] not in ("running", "paused"):
        return []
    return [
        {
            "version": arm.version, "role": str(arm.role), "weight": f"{100 * arm.weight:g}%",
            "mirror": f"{100 * arm.mirror:g}%",
        }
        for arm in route.arms
    ]  # fmt: skip


def _wishes(spec: Mapping[str, Any], rollout: Mapping[str, Any]) -> list[str]:
    """The switches that say something else than what is so. A pause that was asked for elsewhere stands until the
    switch was on once."""
    wishes = []
    if spec.get("abort"):
        wishes.append("abort")
    if spec.get("approved") and not rollout["approved"]:
        wishes.append("approve")
    if bool(spec.get("paused")) != bool(rollout.get("held")) and (
        spec.get("paused") or rollout.get("held_by") == "kubectl"
    ):
        wishes.append("pause" if spec.get("paused") else "resume")
    return wishes
