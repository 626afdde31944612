"""Closes operational blocks of a rollout: what its versions did in each five minutes, labels or not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidemill.decisions.operation import BLOCK, OperationalBlock

from .blocks import midnight
from .context import Context
from .counting import Keys, counted_block
from .documents.blocks import OperationalHour, OperationThrough
from .documents.rollout import RolloutDocument, RolloutStep
from .documents.store import read_one, to_write
from .ports import Write

if TYPE_CHECKING:
    import pandas as pd

GRACE = timedelta(seconds=30)  # what a gateway answered is in the log by then
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
    start = _floor(rollout.steps[0].started_at) if known is None else known.through
    end = _floor(now - GRACE)
    while start < end:
        until = min(start + AT_ONCE, end)
        _close(context, rollout, start, until)
        start = until


def _close(context: Context, rollout: RolloutDocument, start: datetime, until: datetime) -> None:
    keys = _keys(context, rollout, start)
    hours: dict[str, list[dict[str, Any]]] = {}
    for block in _counted(context, rollout, start, until, keys):
        hours.setdefault(block.id[:13], []).append(block.to_dict())
    writes = [to_write(OperationThrough(through=until), rollout.id)]
    for id, blocks in hours.items():
        before = context.state.get(context.name, kind(rollout), id)
        earlier = () if before is None else OperationalHour.read(before).blocks
        writes.append(Write(kind(rollout), id, OperationalHour(id=id, blocks=(*earlier, *blocks)).stored()))
    context.state.transact(context.name, writes)


def _counted(
    context: Context, rollout: RolloutDocument, start: datetime, until: datetime, keys: Keys
) -> list[OperationalBlock]:
    """The blocks with answers in [start, until); `keys` learns what they hold."""
    rows = _rows(context, rollout, start, until)
    found = []
    for floor, part in rows.groupby(rows["at"].dt.floor(BLOCK)):
        begin = floor.to_pydatetime()
        found.append(counted_block(rollout, _step_at(rollout, begin), begin.isoformat(), part, keys))
    keys.through = until
    return found


def _rows(context: Context, rollout: RolloutDocument, start: datetime, until: datetime) -> pd.DataFrame:
    """What the two versions answered, or failed to, since the first step began."""
    rows = context.evidence.answers(max(start, rollout.steps[0].started_at), until)
    rows = rows[rows["version"].isin([rollout.champion, rollout.challenger])]
    slo = next((m.slo for m in rollout.rollout(context.spec.rollout).judge.metrics if m.slo is not None), None)
    failed = rows["status"] != "ok"
    slow = failed & False if slo is None else ~failed & (rows["latency_ms"] > slo.total_seconds() * 1000)
    return rows.assign(failed=failed, slow=slow)


def _keys(context: Context, rollout: RolloutDocument, until: datetime) -> Keys:
    """What the rollout has seen of each key before `until`: remembered, or counted again from the log."""
    remembered = context.followed.get(rollout.id)
    if remembered is not None and remembered.through == until:
        return remembered
    context.followed.clear()  # there is one rollout at a time
    keys = context.followed.setdefault(rollout.id, Keys(until))
    start = _floor(rollout.steps[0].started_at)
    while start < until:
        end = min(start + AT_ONCE, until)
        _counted(context, rollout, start, end, keys)
        start = end
    return keys


def _step_at(rollout: RolloutDocument, moment: datetime) -> RolloutStep:
    """The step that was present when the block began; the first one for the block in which it began."""
    begun = [step for step in rollout.steps if step.started_at <= moment]
    return begun[-1] if begun else rollout.steps[0]


def _floor(moment: datetime) -> datetime:
    day = midnight(moment)
    return day + ((moment - day) // BLOCK) * BLOCK
