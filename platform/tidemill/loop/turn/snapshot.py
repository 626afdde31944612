"""The digest over the data of a turn: its partitions and its labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tidemill.loop.ids import digest_of
from tidemill.loop.model import Partition

if TYPE_CHECKING:
    import pandas as pd


def snapshot_of(partitions: Iterable[Partition], labels: pd.DataFrame) -> str:
    """`labels` has the columns key and label; their order counts."""
    return digest_of([[(partition.id, partition.digest) for partition in partitions], _content(labels)], 64)


def _content(labels: pd.DataFrame) -> str:
    """By hand: pandas hashes row by row, which takes ten times as long."""
    content = hashlib.sha256("\0".join(labels["key"]).encode())
    content.update(labels["label"].to_numpy(dtype="<f8").tobytes())
    return digest_of([len(labels), content.hexdigest()])
