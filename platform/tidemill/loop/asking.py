"""What people ask a loop for is recorded here, whoever carries the words; the next tick acts on it (loop.requests)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .errors import NothingToDo
from .ids import digest_of
from .ports import State

WORDS = ("train", "approve", "pause", "resume", "abort", "rollback", "admit")
OF_ROLLOUT = ("approve", "pause", "resume", "abort")


def ask(
    state: State,
    loop: str,
    what: str,
    by: str,
    note: str,
    now: datetime,
    partition: str | None = None,
    once: str | None = None,
) -> dict[str, Any]:
    """Records a person's request; with `once`, however often it is asked under that name. Raises NothingToDo where the
    present state has no place for it."""
    rollouts = [r for r in state.documents(loop, "rollout") if r["status"] in ("running", "paused")]
    champion = state.get(loop, "champion", "current")
    if what in OF_ROLLOUT and not rollouts:
        raise NothingToDo(f"Loop {loop} has no rollout to {what}. `tidemill status` shows where it stands.")
    if what == "rollback" and (champion is None or champion["previous"] is None):
        raise NothingToDo(f"Loop {loop} has no earlier champion to roll back to. `tidemill history` shows who served.")
    held = None if partition is None else state.get(loop, "partition", partition)
    if what == "admit" and (held is None or held["status"] != "quarantined"):
        raise NothingToDo(
            f"Loop {loop} holds back no partition {partition}. `tidemill history --event partition` lists."
        )
    target = None if champion is None else champion["version"]
    if what in OF_ROLLOUT:
        target = rollouts[-1]["id"]
    elif what == "admit":
        target = partition
    moment = now.isoformat()
    request: dict[str, Any] = {
        "id": digest_of([what, by, note, moment] if once is None else [what, once]),
        "what": what,
        "by": by,
        "note": note,
        "at": moment,
        "target": target,
        "handled_at": None,
    }
    state.put_once(loop, "request", request["id"], request)
    return request
