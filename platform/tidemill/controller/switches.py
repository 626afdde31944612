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

from .asked_by import BY, asked_by

_SEEN = "switch"  # the kind of the documents that remember


def hear(
    state: State, loop: str, rollout: Mapping[str, Any], item: Mapping[str, Any], now: datetime, named: bool = False
) -> None:
    """Asks of the loop what was patched since the object was looked at last. `named`: as of asked_by."""
    spec, id = item["spec"], rollout["id"]
    if spec.get("abort"):
        _ask(state, loop, "abort", asked_by(item, "abort", named), id, now)
    if spec.get("approved") and not rollout["approved"]:
        _ask(state, loop, "approve", asked_by(item, "approved", named), id, now)
    before, now_at = state.get(loop, _SEEN, id), _place(item)
    if before is None or before["uid"] != now_at["uid"]:
        before = {"uid": now_at["uid"], "generation": 0, "paused": False}
    if now_at["generation"] <= before["generation"] or now_at["paused"] == before["paused"]:
        return
    if now_at["paused"] != bool(rollout.get("held")):
        what = "pause" if now_at["paused"] else "resume"
        by = asked_by(item, "paused", named)
        _ask(state, loop, what, by, f"{id}/{now_at['uid']}/{now_at['generation']}", now)
    state.put(loop, _SEEN, id, now_at)


def corrections(rollout: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch of the switches that should say something else, empty where none should; with a switch goes the
    name of whoever changed it before. An abort is never set by us: the status tells of it."""
    wanted = {"paused": bool(rollout.get("held"))}
    if rollout["approved"]:
        wanted["approved"] = True
    wrong = {switch: value for switch, value in wanted.items() if bool(spec.get(switch)) != value}
    return wrong and {"metadata": {"annotations": dict.fromkeys((BY[switch] for switch in wrong), None)}, "spec": wrong}


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


def _ask(state: State, loop: str, what: str, by: tuple[str, str], once: str, now: datetime) -> None:
    try:
        ask(state, loop, what, *by, now, once=once)
    except NothingToDo:
        return  # it ended in this very moment
