from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tidemill.adapters.file_source import FileSource
from tidemill.loop.errors import DataUnreadable


def write(folder: Path, name: str, text: str = "a\n1\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_is_the_partition_of_the_day_in_its_name(tmp_path: Path) -> None:
    write(tmp_path / "data", "2013-03-02.csv")
    write(tmp_path / "data", "date=2013-03-01.csv")
    ids = [partition.id for partition in FileSource(tmp_path, "data/", "csv", "id").partitions()]
    assert ids == ["2013-03-01", "2013-03-02"]


def test_files_without_a_day_and_with_an_impossible_day_are_no_partitions(tmp_path: Path) -> None:
    write(tmp_path / "data", "readme.csv")
    write(tmp_path / "data", "2013-02-30.csv")
    assert FileSource(tmp_path, "data/", "csv", "id").partitions() == []


def test_a_folder_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    assert FileSource(tmp_path, "data/", "csv", "id").partitions() == []


def test_new_content_under_the_same_name_has_another_digest(tmp_path: Path) -> None:
    source = FileSource(tmp_path, "data", "csv", "id")
    path = write(tmp_path / "data", "2013-03-01.csv")
    (before,) = source.partitions()
    path.write_text("a\n2\n3\n")
    (after,) = source.partitions()
    assert before.digest != after.digest


def test_the_same_content_delivered_again_has_the_same_digest(tmp_path: Path) -> None:
    source = FileSource(tmp_path, "data", "csv", "id")
    write(tmp_path / "data", "2013-03-01.csv")
    (before,) = source.partitions()
    write(tmp_path / "data", "2013-03-01.csv")
    (after,) = source.partitions()
    assert before.digest == after.digest


def test_both_formats_are_read(tmp_path: Path) -> None:
    write(tmp_path / "csv", "2013-03-01.csv")
    (tmp_path / "parquet").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "parquet" / "2013-03-01.parquet")
    for format in ("csv", "parquet"):
        source = FileSource(tmp_path, format, format, "id")
        assert source.read(source.partitions()[0])["a"].tolist() == [1]


def test_bytes_that_are_no_table_are_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "2013-03-01.parquet").write_bytes(b"not parquet")
    source = FileSource(tmp_path, "data", "parquet", "id")
    with pytest.raises(DataUnreadable, match=r"2013-03-01\.parquet"):
        source.read(source.partitions()[0])


def test_a_key_is_text_as_it_stands_in_the_file(tmp_path: Path) -> None:
    write(tmp_path / "data", "2013-03-01.csv", 'id,x\n000123,1\n"0042",2\nNA,3\n,4\n')
    source = FileSource(tmp_path, "data", "csv", "id")
    frame = source.read(source.partitions()[0])
    assert frame["id"].tolist()[:3] == ["000123", "0042", "NA"]
    assert pd.isna(frame["id"].iloc[3])
    assert frame["x"].tolist() == [1, 2, 3, 4]


def test_a_file_that_cannot_be_read_is_a_partition_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "2013-03-01.csv").symlink_to(tmp_path / "nowhere.csv")
    source = FileSource(tmp_path, "data", "csv", "id")
    (partition,) = source.partitions()
    with pytest.raises(DataUnreadable, match=r"2013-03-01\.csv"):
        source.read(partition)
    (tmp_path / "nowhere.csv").write_text("id,x\na,1\n")
    assert source.partitions()[0].digest != partition.digest
