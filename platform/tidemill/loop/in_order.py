"""Up to which time are the outcomes of a rollout known without a gap?

Hard days close late: a storm cancels flights, and labels that are missing are waited for. A judge that takes the blocks
that happen to be closed judges the calm ones first. So "no worse" is proven on blocks in the order of their events.
"""

from __future__ import annotations

from datetime import datetime

from .blocks import faulty_days
from .context import Context
from .documents.rollout import RolloutDocument
from .looking import last_look
from .pairs import block_length, block_starts, kind


def known_until(context: Context, rollout: RolloutDocument, now: datetime) -> datetime:
    """The start of the first block that still waits for labels. A block is passed over that holds nothing, whose data
    is at fault, or whose labels are given up."""
    label = context.spec.data.label
    closed = {document["id"] for document in context.state.documents(context.name, kind(rollout))}
    faulty = faulty_days(context)
    for id, start in block_starts(context, rollout, now):
        if id in closed or f"{start:%Y-%m-%d}" in faulty:
            continue
        look = last_look(context, kind(rollout), id)
        given_up = start + block_length(rollout) + label.give_up_after
        if look is None or (look.due != 0 and look.at < given_up):
            return start
    return now
