"""What a replay came to, read from the state it left behind: the figures of the table and of the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from tidemill.loop.documents.champion import ReignDocument
from tidemill.loop.documents.partition import PartitionDocument
from tidemill.loop.documents.repair import CalibratorDocument
from tidemill.loop.documents.signal import SignalDocument
from tidemill.loop.documents.store import read_all
from tidemill.loop.documents.turn import TurnDocument
from tidemill.loop.ports import State
from tidemill.loop.replay import Day

from .policies import SAW, TITLES

TOLD = (
    "partition.quarantined", "turn.started", "turn.failed", "challenger.rejected", "challenger.registered",
    "rollout.advanced", "rollout.paused", "rollout.aborted", "champion.promoted", "champion.rolled_back",
    "signal.recorded", "drift.alert", "calibrator.serving", "calibrator.withdrawn",
)  # fmt: skip


def policy_results(
    state: State, loop: str, policy: str, days: Sequence[Day], faults: Sequence[dict[str, Any]], sabotaged: set[str]
) -> dict[str, Any]:
    """One row of the table, with its daily losses. `sabotaged` are versions that were spoilt after evaluation."""
    outcomes = sum(day.n for day in days)
    turns = [turn for turn in read_all(state, loop, TurnDocument) if turn.champion is not None]
    reigns = read_all(state, loop, ReignDocument)
    broken = {fault["day"] for fault in faults}
    trained_on = {day for turn in turns for day in turn.partitions if day in broken}
    return {
        "title": TITLES[policy],
        "saw": SAW[policy],
        "log_loss": sum(day.loss * day.n for day in days if day.n) / outcomes if outcomes else float("nan"),
        "trainings": len(turns),
        "promotions": len(reigns) - 1 if reigns else 0,
        "sabotaged": len(sabotaged),
        "sabotaged_promoted": len({reign.version for reign in reigns} & sabotaged),
        "corrupted_days_trained_on": len(trained_on),
        "daily": [{"day": day.day.isoformat(), "n": day.n, "loss": round(day.loss, 6)} for day in days],
    }


def loop_results(
    state: State, loop: str, live_from: date, end: date, faults: Sequence[dict[str, Any]], sabotaged: set[str]
) -> dict[str, Any]:
    """Everything the report shows of the loop itself."""
    partitions = {partition.id: partition for partition in read_all(state, loop, PartitionDocument)}
    live = {id: p for id, p in partitions.items() if live_from.isoformat() <= id <= end.isoformat()}
    broken = {fault["day"] for fault in faults}
    held = {id for id, partition in live.items() if not partition.admitted}
    turns = read_all(state, loop, TurnDocument)
    trained_on = broken & {day for turn in turns for day in turn.partitions}
    rollouts = state.documents(loop, "rollout")
    return {
        "corrupted_days": {"injected": len(broken), "caught": len(broken & held), "trained_on": len(trained_on)},
        "clean_days": {"total": len(live) - len(broken & set(live)), "held_back": len(held - broken)},
        "sabotaged": {
            "injected": len(sabotaged),
            "promoted": sum(r["challenger"] in sabotaged and r["status"] == "promoted" for r in rollouts),
        },
        "rollouts_unfinished": [r["challenger"] for r in rollouts if r["status"] in ("running", "paused")],
        "faults": [_fault(fault, partitions) for fault in faults],
        "events": [_event(entry) for entry in state.ledger(loop) if entry["event"] in TOLD],
        "champions": _champions(read_all(state, loop, ReignDocument), end),
        "rollouts": [_rollout(rollout, sabotaged) for rollout in rollouts],
        "signals": [
            {"day": _day(s.recorded_at), "kind": s.reason, "message": s.message}
            for s in read_all(state, loop, SignalDocument)
        ],
        "quarantines": [{"day": id, "reason": live[id].reason, "message": live[id].message} for id in sorted(held)],
        "calibrators": _calibrators(state, loop),
    }


def _fault(fault: dict[str, Any], partitions: dict[str, PartitionDocument]) -> dict[str, Any]:
    judged = partitions.get(fault["day"])
    if judged is None:
        return {**fault, "caught": False, "reason": "", "message": ""}
    return {**fault, "caught": not judged.admitted, "reason": judged.reason, "message": judged.message}


def _day(moment: datetime) -> str:
    return moment.isoformat()[:10]


def _event(entry: dict[str, Any]) -> dict[str, Any]:
    event = {"day": entry["at"][:10], "event": entry["event"], "reason": entry["reason"], "message": entry["message"]}
    version = entry.get("evidence", {}).get("version")
    return event if version is None else {**event, "version": version}


def _champions(reigns: list[ReignDocument], end: date) -> list[dict[str, Any]]:
    ends = [_day(reign.since) for reign in reigns[1:]] + [end.isoformat()]
    return [
        {"version": reign.version, "from": _day(reign.since), "to": to, "reason": reign.reason}
        for reign, to in zip(reigns, ends, strict=True)
    ]


def _rollout(rollout: dict[str, Any], sabotaged: set[str]) -> dict[str, Any]:
    return {
        "challenger": rollout["challenger"],
        "sabotaged": rollout["challenger"] in sabotaged,
        "started": rollout["started_at"][:10],
        "ended": rollout.get("ended_at", "")[:10] or None,
        "verdict": rollout["status"],
        "reason": rollout["reason"],
        "message": rollout["message"],
        "steps": [
            {"from": step["started_at"][:10], **{k: step[k] for k in ("shadow", "canary") if k in step}}
            for step in rollout["steps"]
        ],
    }


def _calibrators(state: State, loop: str) -> list[dict[str, Any]]:
    """The champion's correction, day by day, and whether it served."""
    switched: dict[str, list[tuple[str, bool]]] = {}
    for entry in state.ledger(loop):
        if entry["event"] in ("calibrator.serving", "calibrator.withdrawn"):
            version = entry["evidence"]["version"]
            switched.setdefault(version, []).append((entry["at"], entry["event"] == "calibrator.serving"))
    reigns = read_all(state, loop, ReignDocument)
    rows = []
    for reign, following in zip(reigns, [*reigns[1:], None], strict=True):
        until = following.since.isoformat() if following else "9999"
        version = reign.version
        for fit in read_all(state, loop, CalibratorDocument, version):
            if reign.since.isoformat() <= (fitted_at := fit.fitted_at.isoformat()) < until:
                on = [serving for at, serving in switched.get(version, []) if at <= fitted_at]
                rows.append({"day": _day(fit.fitted_at), "version": version, "intercept": fit.intercept,
                             "slope": fit.slope, "serving": bool(on and on[-1])})  # fmt: skip
    return rows
