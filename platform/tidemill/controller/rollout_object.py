"""A rollout of the state store as a ModelRollout, in the words of its models: what we write fits the CRD."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason
from tidemill.loop.context import Context
from tidemill.loop.documents.rollout import RolloutDocument
from tidemill.loop.standing import step_of
from tidemill.spec.model_rollout import ModelRolloutSpec, ModelRolloutStatus

from .challenger import ready_of
from .conditions import conditions

_PHASES = {"running": "Running", "paused": "Paused", "promoted": "Promoted", "aborted": "Aborted"}
_ACTIONS = {"running": "hold", "paused": "pause", "promoted": "promote", "aborted": "abort"}
_SWITCHES = {"paused", "approved", "abort"}


def rollout_name(loop: str, id: str) -> str:
    return f"{loop}-{id}"


def rollout_spec(context: Context, rollout: Mapping[str, Any]) -> dict[str, Any]:
    """Without the switches: those are other people's. The steps are those that the rollout began with."""
    spec = ModelRolloutSpec(
        loop=context.name,
        challenger=rollout["challenger"],
        champion=rollout["champion"],
        turn=rollout["turn"],
        steps=RolloutDocument.read(rollout).rollout(context.spec.rollout).steps,
    )
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_SWITCHES)


def rollout_status(
    context: Context, rollout: Mapping[str, Any], generation: int, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """`before` is what stands there: a condition keeps its time while it stays what it is."""
    held = bool(rollout.get("held")) and rollout["status"] in ("running", "paused")
    status = {
        "observedGeneration": generation,
        "phase": _phase(rollout, held),
        "step": step_of(dict(rollout)),
        "arms": _arms(context, rollout),
        "evidence": rollout.get("evidence") or {},
        "verdict": _held() if held else _verdict(rollout),
        "conditions": conditions([ready_of(rollout)], generation, before, now),
        "startedAt": rollout["started_at"],
        "endedAt": rollout.get("ended_at"),
    }
    made = ModelRolloutStatus.model_validate(status, by_alias=True, by_name=False)
    return made.model_dump(mode="json", by_alias=True, exclude_none=True)


def _phase(rollout: Mapping[str, Any], held: bool) -> str:
    if held:
        return "Paused"
    if rollout["status"] == "running" and not rollout["steps"]:
        return "Preparing"
    return _PHASES[rollout["status"]]


def _verdict(rollout: Mapping[str, Any]) -> dict[str, str]:
    message = rollout.get("message") or ""
    return {"action": _ACTIONS[rollout["status"]], "reason": rollout["reason"], "message": message}


def _held() -> dict[str, str]:
    message = "It stays where it is until somebody resumes it."
    return {"action": "pause", "reason": str(Reason.PAUSED_BY_PERSON), "message": message}


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
