"""What people ask a loop for is recorded here, whoever carries the words; the next tick acts on it (loop.requests)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason

from .documents.champion import ChampionDocument
from .documents.partition import PartitionDocument
from .documents.request import RequestDocument
from .documents.store import read_all, read_one
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
    since: str | None = None,
) -> dict[str, Any]:
    """Records a person's request; with `once`, however often it is asked under that name. What is admitted is one
    `partition`, or what is unlike history from the partition `since` on. Returns what was recorded, as others are
    told of it. Raises NothingToDo where the present state has no place for it."""
    rollouts = [r for r in state.documents(loop, "rollout") if r["status"] in ("running", "paused")]
    champion = read_one(state, loop, ChampionDocument, "current")
    if what in OF_ROLLOUT and not rollouts:
        raise NothingToDo(f"Loop {loop} has no rollout to {what}. `tidemill status` shows where it stands.")
    if what == "rollback" and (champion is None or champion.previous is None):
        raise NothingToDo(f"Loop {loop} has no earlier champion to roll back to. `tidemill history` shows who served.")
    if what == "admit":
        _refuse_idle(state, loop, partition, since)
    target = None if champion is None else champion.version
    if what in OF_ROLLOUT:
        target = rollouts[-1]["id"]
    elif what == "admit":
        target = partition or since
    request = RequestDocument(
        id=digest_of([what, by, note, now.isoformat()] if once is None else [what, once]),
        what=what,
        by=by,
        note=note,
        at=now,
        target=target,
        handled_at=None,
        since=since,
    )
    stored = request.stored()
    state.put_once(loop, RequestDocument.kind, request.id, stored)
    return {key: value for key, value in stored.items() if key != "v"}


def _refuse_idle(state: State, loop: str, partition: str | None, since: str | None) -> None:
    held = [p for p in read_all(state, loop, PartitionDocument) if not p.admitted]
    if since is None and not any(p.id == partition for p in held):
        raise NothingToDo(
            f"Loop {loop} holds back no partition {partition}. `tidemill history --event partition` lists."
        )
    if since is not None and not any(p.reason == Reason.UNLIKE_HISTORY and p.id >= since for p in held):
        raise NothingToDo(
            f"Loop {loop} holds back no partition since {since} that is unlike history alone. `tidemill history "
            "--event partition` lists what it holds and why."
        )
