"""What a ModelLoop's status says: small, from the state store, and the same for the same state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason
from tidemill.loop.context import Context
from tidemill.loop.documents.champion import ChampionDocument
from tidemill.loop.documents.partition import PartitionDocument
from tidemill.loop.documents.store import read_all, read_one
from tidemill.loop.documents.turn import TurnDocument
from tidemill.loop.standing import running_rollout, step_of
from tidemill.loop.tick import TickReport
from tidemill.spec.loop_status import ModelLoopStatus

from .conditions import Fact, Why, conditions, known
from .reasons import ConditionReason
from .reconciled import RECONCILED, Failure, is_routed
from .rollout_object import rollout_name


def loop_status(
    context: Context,
    report: TickReport,
    generation: int,
    before: Mapping[str, Any],
    now: datetime,
    reconciled: Fact = RECONCILED,
    failures: Sequence[Failure] = (),
) -> dict[str, Any]:
    """`before` is the present status: a condition keeps its time while it stays what it is, and `Ready` stays where the
    tick did not come to see what answers. `lastTick` is left out: it is written with whatever else changes."""
    name, state = context.name, context.state
    champion = read_one(state, name, ChampionDocument, "current")
    rollout = running_rollout(state, name)
    turns = read_all(state, name, TurnDocument)
    partitions = [partition.status for partition in read_all(state, name, PartitionDocument)]
    facts = [reconciled, _training(report)]
    if is_routed(failures):
        facts.append(_ready(report, champion))
    elif not known(before, "Ready"):
        facts.append(Fact("Ready", "Unknown", reconciled.reason, reconciled.message))
    status = {
        "observedGeneration": generation,
        "champion": None if champion is None else {"version": champion.version, "since": champion.since.isoformat()},
        "rollout": None if rollout is None else _rollout(name, rollout),
        "turn": None if not turns else _turn(turns[-1]),
        "partitions": {"admitted": partitions.count("admitted"), "quarantined": partitions.count("quarantined")},
        "conditions": conditions(facts, generation, before, now),
    }
    made = ModelLoopStatus.model_validate(status, by_alias=True, by_name=False)
    return made.model_dump(mode="json", by_alias=True, exclude_none=True)


def failed_status(
    reason: Why, message: str, generation: int, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The tick could not be done: what was known before stays, and why it stays is said."""
    facts = [Fact("Reconciled", "False", reason, message)]
    if not known(before, "Ready"):
        facts.append(Fact("Ready", "Unknown", reason, message))
    whole = {**before, "observedGeneration": generation, "conditions": conditions(facts, generation, before, now)}
    whole.pop("lastTick", None)
    return whole


def paused_status(generation: int, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    message = "Nothing is done for this loop until the annotation tidemill.dev/paused is removed; it goes on serving."
    return failed_status(ConditionReason.PAUSED, message, generation, before, now)


def _turn(turn: TurnDocument) -> dict[str, Any]:
    return {"id": turn.id, "status": turn.status, "reason": turn.reason}


def _rollout(loop: str, rollout: dict[str, Any]) -> dict[str, Any]:
    held = rollout.get("held") or rollout["status"] == "paused"
    return {
        "name": rollout_name(loop, rollout["id"]),
        "challenger": rollout["challenger"],
        "step": step_of(rollout) + (" (paused)" if held else ""),
    }


def _ready(report: TickReport, champion: ChampionDocument | None) -> Fact:
    waiting = {event.event: event for event in report.waiting}
    if champion is None:
        why = waiting.get("turn.waiting")
        if report.turn is not None:
            return Fact("Ready", "False", Reason.TURN_RUNNING, "The turn that makes the first champion runs.")
        if why is not None:
            return Fact("Ready", "False", why.reason, why.message)
        return Fact("Ready", "False", Reason.NOT_READY, "There is no champion yet.")
    unready = waiting.get("serving.waiting") or waiting.get("champion.unready")
    if unready is not None:
        return Fact("Ready", "False", unready.reason, unready.message)
    return Fact("Ready", "True", ConditionReason.SERVING, f"Version {champion.version} answers.")


def _training(report: TickReport) -> Fact:
    waiting = {event.event: event for event in report.waiting}
    running = waiting.get("turn.running")
    if report.turn is not None:
        message = f"Turn {report.turn} runs." if running is None else running.message
        return Fact("Training", "True", Reason.TURN_RUNNING, message)
    why = waiting.get("turn.waiting")
    if why is not None:
        return Fact("Training", "False", why.reason, why.message)
    return Fact("Training", "False", Reason.NO_SIGNAL, "No turn runs.")
