"""Partitions as objects below a folder of an object store, one a day, which the object's name holds."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.adapters.file_source import day_of, partition_of, read_table
from tidemill.adapters.one_a_day import Doubled, one_a_day, refuse_doubled
from tidemill.loop.errors import DataUnreadable, TidemillError
from tidemill.loop.model import Partition
from tidemill.loop.turn.files import join, listing, read_bytes

if TYPE_CHECKING:
    import pandas as pd


class StoreSource:
    """`pattern` is a folder below the URI `root` (its objects of that format) or a glob; `key` the column of the rows'
    keys. An object is there whole or not at all, so none is ever seen half-written. Content is read once for each ETag;
    `known` remembers it for longer than this object lives: (stamp, digest) by URI."""

    def __init__(
        self, root: str, pattern: str, format: str, key: str, known: MutableMapping[str, tuple[str, str]] | None = None
    ) -> None:
        self._key = key
        # A key is its letters: to a store `./data` is another folder than `data`, to a laptop the same.
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise TidemillError(
                f"data.source is {pattern}, which leads out of the loop's folder {root}: on a cluster a loop reads "
                "nothing else of the store. Bring the data into that folder and name it there, such as data/."
            )
        if not any(map(_is_glob, parts)):
            parts.append(f"*.{format}")
        fixed = next(number for number, part in enumerate(parts) if _is_glob(part))
        self._folder = join(root, *parts[:fixed])
        self._below = parts[fixed:]
        self._digests: MutableMapping[str, tuple[str, str]] = {} if known is None else known
        self._doubled: Doubled = {}

    @property
    def place(self) -> str:
        return join(self._folder, *self._below)

    def partitions(self) -> list[Partition]:
        found = []
        for entry in listing(self._folder, deep=len(self._below) > 1):
            parts = self._relative(entry["name"])
            start = day_of(parts[-1])
            if entry["type"] == "file" and start is not None and self._matches(parts):
                uri = join(self._folder, *parts)
                found.append(partition_of(start, self._digest(uri, _stamp(entry)), uri))
        found, self._doubled = one_a_day(found)
        return found

    def read(self, partition: Partition) -> pd.DataFrame:
        refuse_doubled(partition, self._doubled)
        try:
            return read_table(Path(partition.uri), self._key, read_bytes(partition.uri))
        except FileNotFoundError as error:
            raise DataUnreadable(f"{partition.uri} was there and is gone. Deliver it again.") from error

    def _relative(self, name: str) -> list[str]:
        below = self._folder.partition("://")[2].strip("/")
        return name.strip("/").removeprefix(below).lstrip("/").split("/")

    def _matches(self, parts: list[str]) -> bool:
        return len(parts) == len(self._below) and all(map(fnmatch, parts, self._below))

    def _digest(self, uri: str, stamp: str) -> str:
        known = self._digests.get(uri)
        if known is None or known[0] != stamp:
            self._digests[uri] = known = (stamp, "sha256:" + hashlib.sha256(read_bytes(uri)).hexdigest())
        return known[1]


def _stamp(entry: dict[str, object]) -> str:
    """What changes with the content, as far as the store says: its ETag, else time and size."""
    told = [entry.get(key) for key in ("ETag", "etag", "LastModified", "created", "mtime", "size")]
    return repr([str(value) for value in told if value is not None])


def _is_glob(part: str) -> bool:
    return any(character in part for character in "*?[")
