"""A day is one file, in a folder and in a store alike."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from tidemill.adapters.file_source import FileSource
from tidemill.adapters.store_source import StoreSource
from tidemill.loop.errors import DataUnreadable
from tidemill.loop.turn.files import join, write_bytes

ROWS = b"id,at,x\na,2013-03-01,1\n"

Opened = tuple[str, FileSource | StoreSource, Callable[[str], None]]


@pytest.fixture(params=["folder", "store"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    if request.param == "folder":
        source = FileSource(tmp_path, "data/", "csv", "id")
        return str(tmp_path), source, lambda name: (tmp_path / "data" / name).unlink()
    import fsspec

    root = f"memory://{uuid.uuid4().hex}/team/loop"
    memory = fsspec.filesystem("memory")
    return root, StoreSource(root, "data/", "csv", "id"), lambda name: memory.rm(join(root, "data", name))


def test_a_day_with_two_files_is_held_until_there_is_one(opened: Opened) -> None:
    root, source, remove = opened
    for name in ("part-0-2013-03-01.csv", "part-1-2013-03-01.csv", "2013-03-02.csv"):
        write_bytes(join(root, "data", name), ROWS)
    both, other = source.partitions()
    assert [both.id, other.id] == ["2013-03-01", "2013-03-02"]
    assert source.partitions()[0] == both
    assert len(source.read(other)) == 1
    with pytest.raises(DataUnreadable, match=r"2 files are of that day.*part-0-[\d-]+.csv, .*part-1-[\d-]+.csv"):
        source.read(both)

    remove("part-1-2013-03-01.csv")

    one = source.partitions()[0]
    assert one.digest == other.digest != both.digest
    assert len(source.read(one)) == 1
