"""Where a loop stands, read from the state store alone: cheap, and without a library that a model would need."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason

from .documents.champion import ChampionDocument
from .documents.incident import OPEN, stored_incidents
from .documents.partition import PartitionDocument
from .documents.repair import CalibratorDocument, RepairDocument, latest_calibrator
from .documents.request import RequestDocument
from .documents.signal import SignalDocument
from .documents.store import read_all, read_one
from .documents.tick import FailedSteps, LastTick, Waiting
from .documents.turn import TurnDocument
from .model import Calibrator
from .ports import State


def standing(state: State, loop: str, known: int, now: datetime) -> dict[str, Any]:
    """The status document. `known` is the number of labels. Figures are counts of rows or labels; losses are mean log
    loss of what was served; `waiting` is what the last tick left, `requests` what the next one will act on."""
    last, waiting = read_one(state, loop, LastTick, LastTick.id), read_one(state, loop, Waiting, Waiting.id)
    partitions = read_all(state, loop, PartitionDocument)
    turns = read_all(state, loop, TurnDocument)
    blocks = sorted(state.documents(loop, "block"), key=lambda block: str(block["id"]))
    admitted = [partition for partition in partitions if partition.admitted]
    signals = [signal for signal in read_all(state, loop, SignalDocument) if signal.pending]
    return {
        "loop": loop,
        "at": now.isoformat(),
        "last_tick": None if last is None else last.at.isoformat(),
        "champion": _champion(state, loop),
        "rollout": _rollout(state, loop),
        "turn": _turn(turns[-1]) if turns else None,
        "partitions": {
            "admitted": len(admitted),
            "quarantined": len(partitions) - len(admitted),
            "rows": sum(partition.rows for partition in admitted),
        },
        "outcomes": {"known": known, "joined": sum(block["served"]["n"] for block in blocks)},
        "signals": [{"id": s.id, "kind": s.reason, "message": s.message} for s in signals],
        "last_days": [{"day": b["id"], **b["served"]} for b in blocks[-3:] if b["served"]["n"]],
        "last_failure": _last_failure(turns),
        "last_quarantined": _last_quarantined(partitions),
        "incidents": [{**i.stored(), "question": i.question} for i in stored_incidents(state, loop) if i.state == OPEN],
        "requests": _requests(state, loop),
        "failures": _failures(state, loop),
        "waiting": [] if waiting is None else [each.model_dump() for each in waiting.waiting],
    }


def running_rollout(state: State, loop: str) -> dict[str, Any] | None:
    rollouts = state.documents(loop, "rollout")
    return next((r for r in reversed(rollouts) if r["status"] in ("running", "paused")), None)


def serving_calibrator(state: State, loop: str, version: str) -> Calibrator | None:
    """The latest correction of a version, if its place is earned."""
    decided = read_one(state, loop, RepairDocument, version)
    if decided is None or not decided.serving:
        return None
    return latest_calibrator(read_all(state, loop, CalibratorDocument, version))


def step_of(rollout: dict[str, Any]) -> str:
    """Where a rollout is, in a word or two."""
    step = rollout["steps"][-1] if rollout["steps"] else None
    if step is None:
        return "getting ready"
    return next(f"{name} {step[name]:.0%}" for name in ("shadow", "canary") if name in step)


def _last_failure(turns: list[TurnDocument]) -> dict[str, Any] | None:
    """The turn that ended last, where it made no version: while another one runs, it is still what went wrong."""
    ended = next((turn for turn in reversed(turns) if not turn.running), None)
    if ended is None or ended.status == "accepted":
        return None
    finished_at = None if ended.finished_at is None else ended.finished_at.isoformat()
    return {**_turn(ended), "finished_at": finished_at}


def _turn(turn: TurnDocument) -> dict[str, Any]:
    return {"id": turn.id, "status": turn.status, "reason": turn.reason, "message": turn.message}


def _last_quarantined(partitions: list[PartitionDocument]) -> dict[str, Any] | None:
    held = [partition for partition in partitions if not partition.admitted]
    if not held:
        return None
    latest = max(held, key=lambda partition: (partition.judged_at, partition.id))
    return {
        "id": latest.id,
        "reason": latest.reason,
        "message": latest.message,
        "judged_at": latest.judged_at.isoformat(),
    }


def _failures(state: State, loop: str) -> list[dict[str, Any]]:
    failed = read_one(state, loop, FailedSteps, FailedSteps.id)
    steps = {} if failed is None else failed.steps
    return [{"step": name, "message": step.message, "since": step.since.isoformat()} for name, step in steps.items()]


def _requests(state: State, loop: str) -> list[dict[str, Any]]:
    asked = [request for request in read_all(state, loop, RequestDocument) if request.open]
    return [
        {key: value for key, value in request.stored().items() if key not in ("v", "handled_at")} for request in asked
    ]


def _champion(state: State, loop: str) -> dict[str, Any] | None:
    current = read_one(state, loop, ChampionDocument, "current")
    if current is None:
        return None
    corrected = serving_calibrator(state, loop, current.version)
    shown = {
        "version": current.version,
        "since": current.since.isoformat(),
        "reason": current.reason,
        "previous": current.previous,
        "baseline": current.baseline,
        "turn": current.turn,
    }
    calibrator = None
    if corrected is not None:
        calibrator = {"id": corrected.id, "intercept": corrected.intercept, "slope": corrected.slope}
    return {**shown, "calibrator": calibrator}


def _rollout(state: State, loop: str) -> dict[str, Any] | None:
    rollout = running_rollout(state, loop)
    if rollout is None:
        return None
    keys = ("challenger", "champion", "status", "reason", "message", "started_at")
    if rollout.get("held"):  # whatever the evidence says meanwhile
        said = f"a person paused it; `tidemill resume` lets it go on. Meanwhile: {rollout['message']}"
        rollout = {**rollout, "status": "paused", "reason": str(Reason.PAUSED_BY_PERSON), "message": said}
    return {**{key: rollout[key] for key in keys}, "step": step_of(rollout), "evidence": rollout.get("evidence", {})}
