"""When is a block whose labels are not all in looked at again? Reading it costs as much as the block is large."""

from __future__ import annotations

from datetime import datetime, timedelta

from .context import Context
from .documents.look import Look
from .documents.store import read_one, to_write

OFTEN = 0.05  # of its age: a block closes at most that much later than it could
LATE = timedelta(hours=1)  # what may have been logged late is looked for that often, though no label has come


def may_have_changed(context: Context, kind: str, id: str, end: datetime, now: datetime) -> bool:
    """Since it was last looked at: labels have come and it has aged a little, or it was long ago; or what is missing of
    its labels is given up now."""
    looked = last_look(context, kind, id)
    if looked is None:
        return True
    if looked.at < end + context.spec.data.label.give_up_after <= now:
        return True
    since = now - looked.at
    if since < timedelta(0):  # the clock was put back
        return True
    if since >= max(LATE, OFTEN * (now - end)):
        return True
    if since < min(OFTEN * (now - end), LATE):
        return False
    return bool(context.ports.outcomes.count(now) != looked.labels)


def looked_at(context: Context, kind: str, id: str, labels: int, due: int, now: datetime) -> None:
    """`labels`: how many were known before the block was read; what comes meanwhile must be seen as new. `due`: rows of
    the block that wait for a label or have one."""
    context.state.transact(context.name, [to_write(Look(at=now, labels=labels, due=due), id, kind)])


def last_look(context: Context, kind: str, id: str) -> Look | None:
    return read_one(context.state, context.name, Look, id, kind)
