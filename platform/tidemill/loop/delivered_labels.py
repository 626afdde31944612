"""Labels that came with the data are outcomes like any other."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from .context import Context
from .documents.partition import PartitionDocument
from .errors import DataUnreadable
from .frames import canonical, labels_of
from .model import Partition

if TYPE_CHECKING:
    import pandas as pd


def labels_from(context: Context) -> tuple[str, str]:
    """Where a partition's labels are: the column of keys, and that of labels."""
    return context.spec.data.key, context.spec.data.label.column


def take_labels(context: Context, frame: pd.DataFrame, partition: Partition, now: datetime) -> None:
    """`frame` is canonical, and of labels that are 0 and 1."""
    data = context.spec.data
    if data.key not in frame or data.label.column not in frame:
        return
    labels, wrong = labels_of(frame, data)
    if len(labels) and not wrong:
        context.ports.outcomes.record(labels, now, f"partition {partition.id}")


def look_again(context: Context, partition: Partition, document: PartitionDocument, now: datetime) -> None:
    """In an admitted partition, where labels are now said to be in another column than when it was admitted."""
    if document.labels_from in (None, labels_from(context)):
        return
    try:
        take_labels(context, canonical(context.ports.source.read(partition), context.spec.data), partition, now)
    except DataUnreadable:
        return
    looked = document.model_copy(update={"labels_from": labels_from(context)})
    context.state.put(context.name, PartitionDocument.kind, looked.id, looked.stored())
