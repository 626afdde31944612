"""Where a loop stands, as one JSON document: for `status`, and for whoever asks over an API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .blocks import running_rollout
from .context import Context
from .repairs import serving_calibrator
from .turns import admitted_rows, pending_signals


def status(context: Context, now: datetime) -> dict[str, Any]:
    """Reads only. Figures are counts of rows or labels; losses are mean log loss of what was served."""
    partitions = context.state.documents(context.name, "partition")
    turns = context.state.documents(context.name, "turn")
    blocks = sorted(context.state.documents(context.name, "block"), key=lambda block: str(block["id"]))
    return {
        "loop": context.name,
        "at": now.isoformat(),
        "champion": _champion(context),
        "rollout": _rollout(context),
        "turn": None if not turns else {key: turns[-1].get(key) for key in ("id", "status", "reason", "message")},
        "partitions": {
            "admitted": sum(p["status"] == "admitted" for p in partitions),
            "quarantined": sum(p["status"] == "quarantined" for p in partitions),
            "rows": admitted_rows(context),
        },
        "outcomes": {
            "known": len(context.ports.outcomes.known(now)),
            "joined": sum(block["served"]["n"] for block in blocks),
        },
        "signals": [{key: s[key] for key in ("id", "kind", "message")} for s in pending_signals(context)],
        "last_days": [{"day": b["id"], **b["served"]} for b in blocks[-3:] if b["served"]["n"]],
    }


def _champion(context: Context) -> dict[str, Any] | None:
    current = context.state.get(context.name, "champion", "current")
    if current is None:
        return None
    corrected = serving_calibrator(context, current["version"])
    shown = {key: current[key] for key in ("version", "since", "reason", "previous", "baseline", "turn")}
    calibrator = None
    if corrected is not None:
        calibrator = {"id": corrected.id, "intercept": corrected.intercept, "slope": corrected.slope}
    return {**shown, "calibrator": calibrator}


def _rollout(context: Context) -> dict[str, Any] | None:
    rollout = running_rollout(context)
    if rollout is None:
        return None
    step = rollout["steps"][-1] if rollout["steps"] else None
    names = {"shadow", "canary"}
    where = "getting ready" if step is None else next(f"{name} {step[name]:.0%}" for name in names if name in step)
    keys = ("challenger", "champion", "status", "reason", "message", "started_at")
    return {**{key: rollout[key] for key in keys}, "step": where, "evidence": rollout.get("evidence", {})}
