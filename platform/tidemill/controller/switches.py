"""The switches of a ModelRollout (`paused`, `approved`, `abort`), which people patch, against the state store.

The state store is what is so. The object shows it, and hears people:
- a switch that somebody changed there is asked of the loop, once, as if the CLI had asked;
- what was changed elsewhere (`tidemill pause`) is written to the object.
Which of the two happened is told by what the object said when it was looked at last, which the state store remembers
beside the object's generation: the side that left that value is the one that changed. Both can only have left it for
the same value, so there is no conflict, and a watch that lags behind (an older generation) says nothing. An abort or an
approval cannot be taken back, so for these the value alone tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill.loop.asking import ask
from tidemill.loop.errors import NothingToDo
from tidemill.loop.ports import State

_SEEN = "switch"  # the kind of the documents that remember


def hear(state: State, loop: str, rollout: Mapping[str, Any], item: Mapping[str, Any], now: datetime) -> None:
    """Asks of the loop what was patched since the object was looked at last."""
    spec, id = item["spec"], rollout["id"]
    if spec.get("abort"):
        _ask(state, loop, "abort", id, now)
    if spec.get("approved") and not rollout["approved"]:
        _ask(state, loop, "approve", id, now)
    before, now_at = state.get(loop, _SEEN, id), _place(item)
    if before is None or before["uid"] != now_at["uid"]:
        before = {"uid": now_at["uid"], "generation": 0, "paused": False}
    if now_at["generation"] <= before["generation"] or now_at["paused"] == before["paused"]:
        return
    if now_at["paused"] != bool(rollout.get("held")):
        what = "pause" if now_at["paused"] else "resume"
        _ask(state, loop, what, f"{id}/{now_at['uid']}/{now_at['generation']}", now)
    state.put(loop, _SEEN, id, now_at)


def corrections(rollout: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, bool]:
    """The switches that should say something else; an abort is never set by us: the status tells of it."""
    wanted = {"paused": bool(rollout.get("held"))}
    if rollout["approved"]:
        wanted["approved"] = True
    return {switch: value for switch, value in wanted.items() if bool(spec.get(switch)) != value}


def remember(state: State, loop: str, id: str, item: Mapping[str, Any]) -> None:
    """That the object says this because we wrote it."""
    state.put(loop, _SEEN, id, _place(item))


def _place(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = item["metadata"]
    return {
        "uid": str(metadata.get("uid", "")),
        "generation": int(metadata.get("generation", 1)),
        "paused": bool(item["spec"].get("paused")),
    }


def _ask(state: State, loop: str, what: str, once: str, now: datetime) -> None:
    try:
        ask(state, loop, what, "kubectl", "ModelRollout", now, once=once)
    except NothingToDo:
        return  # it ended in this very moment
