"""What a partition's judgement stands on besides its own rows. Where people change that, what was held back for it is
judged anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from .context import Context
from .documents.partition import PartitionDocument
from .ids import digest_of
from .turn.files import read_bytes

Standing = Callable[[], str]


def standing(context: Context) -> str:
    """A digest of the columns' names, the gate, and the suite's content; all of which people write."""
    data = context.spec.data
    gate = data.gate if data.gate == "off" else data.gate.model_dump(mode="json")
    return digest_of([data.key, data.event_time, data.label.column, gate, _suite(context)], 32)


def _suite(context: Context) -> str:
    if context.spec.data.expectations is None:
        return ""
    try:
        return hashlib.sha256(read_bytes(context.uri(context.spec.data.expectations))).hexdigest()
    except OSError:  # judging will tell
        return "unreadable"


def stands_otherwise(document: PartitionDocument, now: Standing) -> bool:
    """Whether a held partition was judged by other words than those that hold `now`. One that was judged before this
    was written down stays as it was."""
    return not document.admitted and document.judged_by not in (None, now())
