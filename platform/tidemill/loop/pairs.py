"""Closes blocks of a rollout's outcomes: both versions on the same requests, once the labels are in.

Everything that makes a block easy or hard cancels out. Where the loop repairs levels nightly, each difference is there
once more with the challenger at the champion's level: what a repair cannot mend.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.closing import Arrival, BlockFacts, is_closed
from tidemill.decisions.judge import PairedBlock
from tidemill.spec.model_loop import BlockColumn
from tidemill.stats.dependence import Dependence, shortest_block
from tidemill.stats.scores import entropy_rows, log_loss_rows

from .arrival import arrival
from .blocks import faulty_days, label_of, midnight, score_of
from .champions import current_champion
from .compared import Earlier, compared
from .context import Context
from .differences import differences
from .documents.blocks import PairDocument
from .documents.rollout import RolloutDocument
from .looking import looked_at, may_have_changed
from .model import Role

if TYPE_CHECKING:
    import pandas as pd

_PAST = timedelta(days=14)
_WHOLE_DAY = 24


def kind(rollout: RolloutDocument) -> str:
    return f"pairs/{rollout.id}"


def dependence(context: Context, now: datetime) -> Dependence:
    """How long the outcomes of this loop depend on each other: as the spec says, or as the last two weeks show."""
    declared = context.spec.rollout.judge.block
    if isinstance(declared, BlockColumn):  # its values part the outcomes; a day is how they are closed
        return Dependence(_WHOLE_DAY, False, None)
    if declared != "auto":
        return Dependence(round(declared.total_seconds() / 3600), False, None)
    champion = current_champion(context)
    if champion is None:
        return Dependence(_WHOLE_DAY, False, None)
    rows = _residual_rows(context, champion.version, now)
    if rows is None:
        return Dependence(_WHOLE_DAY, False, None)
    score, label = score_of(rows), label_of(rows)
    hours = (rows["event_time"] - rows["event_time"].min().floor("D")).dt.total_seconds().to_numpy() / 3600
    return shortest_block(hours, [label - score, log_loss_rows(score, label) - entropy_rows(score)])


def _residual_rows(context: Context, version: str, now: datetime) -> pd.DataFrame | None:
    """What the champion answered on the closed days of the last two weeks, with labels; each key on its first day."""
    import pandas as pd

    since = f"{now - _PAST - context.spec.data.label.arrives_after:%Y-%m-%d}"
    faulty = faulty_days(context)
    frames = []
    for block in context.state.documents(context.name, "block"):
        if block["id"] < since or block["id"] in faulty:
            continue
        day = datetime.fromisoformat(block["id"] + "T00:00:00+00:00")
        rows = context.evidence.labelled(day, datetime.fromisoformat(block["closed_at"]))
        frames.append(
            rows.loc[rows["served"] & (rows["version"] == version), ["key_hash", "event_time", "score", "label"]]
        )
    # A key has one label: counted on each of its days, one outcome would look like many that depend on each other.
    return pd.concat(frames).sort_values("event_time", kind="stable").drop_duplicates("key_hash") if frames else None


def block_length(rollout: RolloutDocument) -> timedelta:
    return timedelta(hours=rollout.block_hours or _WHOLE_DAY)


def block_starts(context: Context, rollout: RolloutDocument, now: datetime) -> Iterator[tuple[str, datetime]]:
    """Id and start of every block, open or closed, whose labels may be there by now."""
    if rollout.step is None:
        return
    length, first = block_length(rollout), rollout.steps[0].started_at
    start = midnight(first) + ((first - midnight(first)) // length) * length
    while start + length + context.spec.data.label.arrives_after <= now:
        yield f"{start:%Y-%m-%dT%H}", start
        start += length


def close_pairs(context: Context, rollout: RolloutDocument, now: datetime) -> None:
    """Closes every block of the rollout whose labels are in."""
    length = block_length(rollout)
    stored = context.state.documents(context.name, kind(rollout))
    closed = {document["id"] for document in stored}
    known: Arrival | None = None
    earlier = Earlier(context, rollout, now)
    for id, start in block_starts(context, rollout, now):
        if id not in closed and may_have_changed(context, kind(rollout), id, start + length, now):
            known = known or arrival(context, now, rollout.block_hours or _WHOLE_DAY)
            _close(context, rollout, id, start, start + length, known, stored, earlier, now)


def paired_blocks(context: Context, rollout: RolloutDocument) -> list[PairDocument]:
    """The closed blocks without those of faulty days, in the order in which they closed. Some have no pair: all their
    keys came on earlier days."""
    faulty = faulty_days(context)
    found = [PairDocument.read(document) for document in context.state.documents(context.name, kind(rollout))]
    sound = [block for block in found if f"{block.start:%Y-%m-%d}" not in faulty]
    return sorted(sound, key=lambda block: (block.closed_at, block.id))


def judged(block: PairDocument, known_until: datetime) -> PairedBlock:
    """`known_until`: no block before it waits for labels."""
    return PairedBlock(
        block.id, block.n, block.differences, block.parts, block.units, block.unplaced, block.returned, block.worst,
        block.start < known_until,
    )  # fmt: skip


def _close(
    context: Context,
    rollout: RolloutDocument,
    id: str,
    start: datetime,
    end: datetime,
    known: Arrival,
    before: list[dict[str, Any]],
    earlier: Earlier,
    now: datetime,
) -> None:
    label = context.spec.data.label
    labels = context.ports.outcomes.count(now)
    rows = context.evidence.joined(start, end, now)
    both = compared(rows, rollout)
    facts = BlockFacts(len(both), int(both["label"].notna().sum()), now - end)
    if not is_closed(facts, known, label.arrives_after, label.give_up_after, label.coverage):
        looked_at(context, kind(rollout), id, labels, facts.due, now)
        return
    found = both.dropna(subset=["label"]).sort_values("event_time", kind="stable")
    again = earlier.has(found["key"], start)
    step = rollout.step
    assert step is not None
    document = PairDocument(
        id=id,
        start=start,
        end=end,
        closed_at=now,
        due=facts.due,
        n=int(np.sum(~again)),
        repeated=int(np.sum(again)),
        step=step.index,
        answered=_answered(rows, rollout),
        **differences(context, rollout, found[~again], before, earlier, start),
    )
    context.state.put_once(context.name, kind(rollout), id, document.stored())


def _answered(rows: pd.DataFrame, rollout: RolloutDocument) -> int:
    """Labelled rows that the challenger answered since its present step began; in a shadow it answers nobody."""
    step = rollout.step
    if step is None or step.canary is None:
        return 0
    own = rows[
        (rows["version"] == rollout.challenger) & (rows["role"] == Role.CANARY) & (rows["at"] >= step.started_at)
    ]
    return int(own["label"].notna().sum())
