"""When is a block whose labels are not all in looked at again? Reading it costs as much as the block is large."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .context import Context

OFTEN = 0.05  # of its age: a block closes at most that much later than it could
LATE = timedelta(hours=1)  # what may have been logged late is looked for that often, though no label has come


def may_have_changed(context: Context, kind: str, id: str, end: datetime, now: datetime) -> bool:
    """Since it was last looked at: labels have come and it has aged a little, or it was long ago."""
    looked = last_look(context, kind, id)
    if looked is None:
        return True
    since = now - datetime.fromisoformat(looked["at"])
    if since >= max(LATE, OFTEN * (now - end)):
        return True
    if since < min(OFTEN * (now - end), LATE):
        return False
    return bool(context.ports.outcomes.count(now) != looked["labels"])


def looked_at(context: Context, kind: str, id: str, labels: int, due: int, now: datetime) -> None:
    """`labels`: how many were known before the block was read; what comes meanwhile must be seen as new. `due`: rows of
    the block that wait for a label or have one."""
    document: dict[str, Any] = {"at": now.isoformat(), "labels": labels, "due": due}
    context.state.put(context.name, f"looked at/{kind}", id, document)


def last_look(context: Context, kind: str, id: str) -> dict[str, Any] | None:
    return context.state.get(context.name, f"looked at/{kind}", id)
