"""What a ModelLoop's status says: small, from the state store, and the same for the same state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill.loop.blocks import running_rollout
from tidemill.loop.context import Context
from tidemill.loop.tick import TickReport

from .rollouts import rollout_name, step_of

_LONGEST = 1000  # characters of a condition's message


def loop_status(
    context: Context, report: TickReport, generation: int, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """`before` is the present status: a condition keeps its time while it stays what it is."""
    name, state = context.name, context.state
    champion = state.get(name, "champion", "current")
    rollout = running_rollout(context)
    turns = state.documents(name, "turn")
    partitions = state.documents(name, "partition")
    return {
        "observedGeneration": generation,
        "champion": None if champion is None else {"version": champion["version"], "since": champion["since"]},
        "rollout": None if rollout is None else _rollout(name, rollout),
        "turn": None if not turns else {key: turns[-1][key] for key in ("id", "status", "reason")},
        "partitions": {
            "admitted": sum(partition["status"] == "admitted" for partition in partitions),
            "quarantined": sum(partition["status"] == "quarantined" for partition in partitions),
        },
        "conditions": conditions(_facts(report, champion), generation, before, now),
    }


def failed_status(
    reason: str, message: str, generation: int, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The tick could not be done: what was known before stays, and why it stays is said."""
    return {
        "observedGeneration": generation,
        "conditions": conditions([("Reconciled", False, reason, message)], generation, before, now),
    }


def paused_status(generation: int, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    message = "Nothing is done for this loop until the annotation tidemill.dev/paused is removed; it goes on serving."
    return failed_status("Paused", message, generation, before, now)


def _rollout(loop: str, rollout: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": rollout_name(loop, rollout["id"]),
        "challenger": rollout["challenger"],
        "step": step_of(rollout),
    }


def _facts(report: TickReport, champion: Mapping[str, Any] | None) -> list[tuple[str, bool, str, str]]:
    waiting = {event.event: event for event in report.waiting}
    unready = waiting.get("serving.waiting") or waiting.get("champion.unready")
    facts = [("Reconciled", True, "Reconciled", "The last tick did all that it could.")]
    if unready is not None:
        facts.append(("Ready", False, str(unready.reason), unready.message))
    elif champion is not None:
        facts.append(("Ready", True, "Serving", f"Version {champion['version']} answers."))
    running = waiting.get("turn.running") or waiting.get("turn.waiting")
    if report.turn is not None:
        message = running.message if running is not None else f"Turn {report.turn} was started."
        facts.append(("Training", True, "TurnRunning", message))
    elif running is not None:
        facts.append(("Training", False, str(running.reason), running.message))
    return facts


def conditions(
    facts: list[tuple[str, bool, str, str]], generation: int, before: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    """Conditions as Kubernetes has them. `lastTransitionTime` is when the status last changed, not the message; one
    that is not told of stays as it was."""
    known = {condition["type"]: condition for condition in before.get("conditions") or []}
    for kind, holds, reason, message in facts:
        status = "True" if holds else "False"
        old = known.get(kind)
        since = old["lastTransitionTime"] if old and old["status"] == status else f"{now:%Y-%m-%dT%H:%M:%SZ}"
        known[kind] = {
            "type": kind, "status": status, "reason": reason, "message": message[:_LONGEST],
            "lastTransitionTime": since, "observedGeneration": generation,
        }  # fmt: skip
    return [known[kind] for kind in sorted(known)]
