"""Partitions in an object store: found by name, digested by content, read once for each ETag."""

from __future__ import annotations

import uuid
from pathlib import Path

import fsspec
import pytest
from tidemill.adapters.file_source import FileSource
from tidemill.adapters.store_source import StoreSource
from tidemill.loop.errors import DataUnreadable, TidemillError
from tidemill.loop.turn.files import join, write_bytes

CSV = b"id,at,x\na,2013-03-01,1\n"


@pytest.fixture
def root() -> str:
    return f"memory://{uuid.uuid4().hex}/team/loop"


def ids(source: StoreSource | FileSource) -> list[str]:
    return [partition.id for partition in source.partitions()]


def test_a_folder_holds_one_partition_a_day(root: str) -> None:
    for name in ("2013-03-02.csv", "2013-03-01.csv", "notes.csv", "2013-03-03.parquet", "2013-13-01.csv"):
        write_bytes(join(root, "data", name), CSV)
    write_bytes(join(root, "elsewhere", "2013-03-09.csv"), CSV)
    source = StoreSource(root, "data/", "csv", "id")
    assert ids(source) == ["2013-03-01", "2013-03-02"]
    assert source.read(source.partitions()[0])["id"].tolist() == ["a"]


def test_a_glob_reaches_into_folders(root: str) -> None:
    write_bytes(join(root, "data", "2013", "day-2013-03-01.csv"), CSV)
    write_bytes(join(root, "data", "2013", "old", "day-2013-03-02.csv"), CSV)
    assert ids(StoreSource(root, "data/*/day-*.csv", "csv", "id")) == ["2013-03-01"]


@pytest.mark.parametrize("pattern", ["./data/", "data/.", ".//data", "./data/*.csv", "*/./*.csv"])
def test_a_dot_in_the_sources_path_means_what_it_does_on_a_laptop(root: str, tmp_path: Path, pattern: str) -> None:
    for folder in (root, str(tmp_path)):
        write_bytes(join(folder, "data", "2013-03-01.csv"), CSV)
    source = StoreSource(root, pattern, "csv", "id")
    assert ids(source) == ids(FileSource(tmp_path, pattern, "csv", "id")) == ["2013-03-01"]
    assert "/./" not in source.place


@pytest.mark.parametrize("pattern", ["../shared/data/", "data/../../shared/*.csv", "*/../data"])
def test_a_path_out_of_the_loops_folder_is_refused_with_what_to_do(root: str, pattern: str) -> None:
    with pytest.raises(TidemillError) as refused:
        StoreSource(root, pattern, "csv", "id")
    assert f"data.source is {pattern}" in str(refused.value)
    assert f"the loop's folder {root}" in str(refused.value)
    assert "Bring the data into that folder" in str(refused.value)


def test_nothing_delivered_is_no_partition_and_says_where_it_looked(root: str) -> None:
    source = StoreSource(root, "data/", "csv", "id")
    assert (ids(source), source.place) == ([], f"{root}/data/*.csv")


def test_another_content_is_another_digest_and_the_same_content_is_not_read_again(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(join(root, "data", "2013-03-01.csv"), CSV)
    source = StoreSource(root, "data", "csv", "id")
    first = source.partitions()[0].digest
    monkeypatch.setattr(fsspec.filesystem("memory"), "cat_file", lambda *_, **__: pytest.fail("it was read again"))
    assert source.partitions()[0].digest == first
    monkeypatch.undo()
    write_bytes(join(root, "data", "2013-03-01.csv"), CSV + b"b,2013-03-01,2\n")
    assert source.partitions()[0].digest != first


def test_a_partition_that_went_away_is_unreadable_and_named(root: str) -> None:
    write_bytes(join(root, "data", "2013-03-01.csv"), CSV)
    source = StoreSource(root, "data", "csv", "id")
    partition = source.partitions()[0]
    fsspec.filesystem("memory").rm(partition.uri, recursive=True)
    with pytest.raises(DataUnreadable, match=r"2013-03-01.csv was there and is gone"):
        source.read(partition)
