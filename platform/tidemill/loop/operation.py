"""Closes operational blocks of a rollout: what its versions did in each five minutes, labels or not.

What a gateway answered reaches the log late where the store was away. So the blocks of the last two hours are counted
again with each new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidemill.decisions.operation import BLOCK, OperationalBlock
from tidemill.decisions.verdict import Reason

from .blocks import midnight
from .context import Context, Event
from .counting import Followed, Keys, counted_block
from .documents.blocks import OperationalHour, OperationThrough
from .documents.rollout import RolloutDocument, RolloutStep
from .documents.store import read_one, to_write
from .evidence import AGAIN
from .ports import Write

if TYPE_CHECKING:
    import pandas as pd

GRACE = timedelta(seconds=30)  # what a gateway answered is usually in the log by then
AT_ONCE = timedelta(hours=6)
MOST_KEYS = 100_000  # that are followed through a rollout; of more, a share that is drawn by their hash


def kind(rollout: RolloutDocument) -> str:
    return f"operation/{rollout.id}"


def audited_share(context: Context) -> float:
    """The share of keys that is followed through a rollout, from the answers of the last closed day."""
    days = context.state.documents(context.name, "block")
    daily = max((day.get("due") or day["served"]["n"] for day in days[-7:]), default=0)
    expected = daily * max(context.spec.rollout.max_duration / timedelta(days=1), 1.0)
    return min(1.0, MOST_KEYS / expected) if expected else 1.0


def operational_blocks(context: Context, rollout: RolloutDocument) -> tuple[OperationalBlock, ...]:
    hours = [OperationalHour.read(document) for document in context.state.documents(context.name, kind(rollout))]
    return tuple(
        OperationalBlock.from_dict(block) for hour in sorted(hours, key=lambda hour: hour.id) for block in hour.blocks
    )


def close_operation(context: Context, rollout: RolloutDocument, now: datetime) -> None:
    """Closes every block that has ended; some hours at a time, so that what is read stays small."""
    if rollout.step is None:
        return
    known = read_one(context.state, context.name, OperationThrough, rollout.id)
    first = _floor(_begun(rollout, now))
    through = first if known is None or known.through > now else known.through  # later: the clock was put back
    late = 0 if known is None else known.late
    for start, until in _spans(through, _floor(now - GRACE)):
        late += _close(context, rollout, first, start, until, late)
    if late:
        message = (
            f"{late} predictions of the rollout of version {rollout.challenger} came into the log after the "
            f"{BLOCK // timedelta(minutes=1)} minutes that they belong to had been counted. They were counted again."
        )
        context.wait(Event(now, "operation.late", Reason.GATHERING_EVIDENCE, message, {"late": late}))


def _begun(rollout: RolloutDocument, now: datetime) -> datetime:
    """When the first step began. Where that is still to come, the clock was put back: then what comes now counts."""
    at = rollout.steps[0].started_at
    return at if at <= now else now - AGAIN


def _spans(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        until = min(start + AT_ONCE, end)
        yield start, until
        start = until


def _close(
    context: Context, rollout: RolloutDocument, first: datetime, start: datetime, until: datetime, late: int
) -> int:
    """Closes the blocks of [start, until) and, where some before them have grown, counts those again. How many rows
    came late; before, there were `late`."""
    followed = _followed(context, rollout, first, start)
    rows = _rows(context, rollout, followed.settled.through, until)
    before = _stored(context, rollout, rows)
    ids = rows["at"].dt.floor(BLOCK)
    sizes = {id.to_pydatetime(): size for id, size in ids[ids < start].value_counts().items()}
    # One of fewer rows than before: a part of the log was lost, and what the block said stands.
    grown = {at for at, size in sizes.items() if (known := before.get(at.isoformat())) is None or size > known.rows}
    if grown:
        followed.ahead = followed.settled.copy()
    new = _counted(rollout, rows if grown else rows[ids >= start], followed.ahead, until)
    settled = max(first, until - AGAIN)
    _counted(rollout, rows[ids < settled], followed.settled, settled)
    after = {block.id: block for block in new if block.rows >= getattr(before.get(block.id), "rows", 0)}
    came = sum(_late(before.get(at.isoformat()), after[at.isoformat()]) for at in grown)
    hours: dict[str, list[dict[str, Any]]] = {}
    for id, block in sorted({**before, **after}.items()):
        hours.setdefault(id[:13], []).append(block.to_dict())
    writes = [to_write(OperationThrough(through=until, late=late + came), rollout.id)]
    changed = {id[:13] for id, block in after.items() if block != before.get(id)}
    for id in sorted(changed):
        writes.append(Write(kind(rollout), id, OperationalHour(id=id, blocks=tuple(hours[id])).stored()))
    context.state.transact(context.name, writes)
    return came


def _stored(context: Context, rollout: RolloutDocument, rows: pd.DataFrame) -> dict[str, OperationalBlock]:
    """What was counted before of the hours that the rows are of."""
    found = {}
    for hour in rows["at"].dt.floor("h").unique():
        stored = context.state.get(context.name, kind(rollout), hour.isoformat()[:13])
        blocks = () if stored is None else OperationalHour.read(stored).blocks
        found.update({block["id"]: OperationalBlock.from_dict(block) for block in blocks})
    return found


def _late(before: OperationalBlock | None, block: OperationalBlock) -> int:
    """A block of an earlier release does not know how many rows it had."""
    return block.rows if before is None else block.rows - before.rows if before.rows else 0


def _counted(rollout: RolloutDocument, rows: pd.DataFrame, keys: Keys, until: datetime) -> list[OperationalBlock]:
    """The blocks of these rows; `keys` learns what they hold."""
    found = []
    for floor, part in rows.groupby(rows["at"].dt.floor(BLOCK)):
        begin = floor.to_pydatetime()
        found.append(counted_block(rollout, _step_at(rollout, begin), begin.isoformat(), part, keys))
    keys.through = until
    return found


def _rows(context: Context, rollout: RolloutDocument, start: datetime, until: datetime) -> pd.DataFrame:
    """What the two versions answered, or failed to, since the first step began."""
    begun = rollout.steps[0].started_at
    rows = context.evidence.answers(max(start, begun) if begun < until else start, until)
    rows = rows[rows["version"].isin([rollout.champion, rollout.challenger])]
    slo = next((m.slo for m in rollout.rollout(context.spec.rollout).judge.metrics if m.slo is not None), None)
    failed = rows["status"] != "ok"
    slow = failed & False if slo is None else ~failed & (rows["latency_ms"] > slo.total_seconds() * 1000)
    return rows.assign(failed=failed, slow=slow)


def _followed(context: Context, rollout: RolloutDocument, first: datetime, start: datetime) -> Followed:
    """What the rollout has seen of each key before `start`, and before what may still be counted again: remembered, or
    counted anew from the log."""
    settled, found = max(first, start - AGAIN), context.followed.get(rollout.id)
    if found is not None and (found.settled.through, found.ahead.through) == (settled, start):
        return found
    context.followed.clear()  # there is one rollout at a time
    keys = Keys(settled)
    for begin, end in _spans(first, settled):
        _counted(rollout, _rows(context, rollout, begin, end), keys, end)
    ahead = keys.copy()
    _counted(rollout, _rows(context, rollout, settled, start), ahead, start)
    return context.followed.setdefault(rollout.id, Followed(keys, ahead))


def _step_at(rollout: RolloutDocument, moment: datetime) -> RolloutStep:
    """The step that was present when the block began; the first one for the block in which it began."""
    begun = [step for step in rollout.steps if step.started_at <= moment]
    return begun[-1] if begun else rollout.steps[0]


def _floor(moment: datetime) -> datetime:
    day = midnight(moment)
    return day + ((moment - day) // BLOCK) * BLOCK
