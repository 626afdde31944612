from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tidemill.adapters.log.prediction_log as module
from logged import DAY, NEXT, row
from tidemill.adapters.log import rows, write_ahead
from tidemill.adapters.log.damaged import damaged_in
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.loop.errors import TemporaryError


def keys(log: ParquetPredictionLog, start: datetime = DAY, end: datetime = NEXT) -> list[str]:
    return list(log.read(start, end)["key"])


def test_what_was_appended_is_read_with_its_types(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row("a"), row("b", status="error", raw=None, score=float("nan"), served=False)])
    frame = log.read(DAY, NEXT)
    assert frame["key"].tolist() == ["a", "b"]
    assert frame["served"].dtype == bool
    assert frame["event_time"].iloc[0] == DAY
    assert frame["raw"].isna().tolist() == [False, True]
    assert frame["score"].isna().tolist() == [False, True]


def test_an_empty_log_has_the_same_columns_and_types(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    empty = log.read(DAY, NEXT)
    log.append([row("a")])
    pd.testing.assert_frame_equal(empty, log.read(DAY, NEXT).head(0))


def test_rows_belong_to_the_day_of_their_event_whenever_they_are_logged(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row("last", NEXT - timedelta(microseconds=1)), row("first", NEXT)])
    log.append([row("late", DAY, at=NEXT + timedelta(days=3))])
    assert sorted(keys(log)) == ["last", "late"]
    assert keys(log, NEXT, NEXT + timedelta(days=1)) == ["first"]
    assert sorted(keys(log, DAY, NEXT + timedelta(hours=1))) == ["first", "last", "late"]


def test_retries_are_one_row_the_first(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row("a", score=0.1)])
    log.read(DAY, NEXT)  # the first is in Parquet now, the retry is not
    log.append([row("a", score=0.2, request_id="again"), row("a", version="2", score=0.3)])
    frame = log.read(DAY, NEXT).set_index("version")
    assert frame["score"].to_dict() == {"1": 0.1, "2": 0.3}


def test_a_version_asked_for_by_name_is_no_evidence(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row("a", role="fixed"), row("b")])
    assert keys(log) == ["b"]


def test_parts_and_lines_of_a_release_that_logged_no_weight_are_read_as_null(tmp_path: Path) -> None:
    old_part(tmp_path / "day=2013-03-01" / "part-0-old.parquet", "part")
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / "1-old.jsonl").write_bytes(orjson.dumps(without("weight", "line")) + b"\n")
    log = ParquetPredictionLog(tmp_path)
    log.append([row("new", weight=0.3)])
    for _ in range(2):
        weights = log.read(DAY, NEXT).set_index("key")["weight"]
        assert weights.dtype == float
        assert weights[["part", "line"]].isna().all()
        assert weights["new"] == pytest.approx(0.3)


def test_parts_and_lines_of_a_release_that_logged_no_unit_are_read_as_null(tmp_path: Path) -> None:
    old_part(tmp_path / "day=2013-03-01" / "part-0-old.parquet", "part", "unit")
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / "1-old.jsonl").write_bytes(orjson.dumps(without("unit", "line")) + b"\n")
    log = ParquetPredictionLog(tmp_path)
    log.append([row("new", unit="b1")])
    for _ in range(2):
        units = log.read(DAY, NEXT).set_index("key")["unit"]
        assert units[["part", "line"]].isna().all()
        assert units["new"] == "b1"


def test_old_and_new_parts_are_merged(tmp_path: Path) -> None:
    for number in range(module.MANY_PARTS):
        old_part(tmp_path / "day=2013-03-01" / f"part-{number}-old.parquet", f"old{number}")
    log = ParquetPredictionLog(tmp_path)
    log.append([row("new", weight=0.3)])
    for reader in (log, ParquetPredictionLog(tmp_path)):
        weights = reader.read(DAY, NEXT)["weight"]
        assert weights.isna().sum() == module.MANY_PARTS
        assert weights.dropna().tolist() == pytest.approx([0.3])
    assert len(list(tmp_path.glob("day=*/part-*"))) == 1


def without(column: str, key: str) -> dict[str, Any]:
    return {name: value for name, value in row(key).items() if name != column}


def old_part(path: Path, key: str, column: str = "weight") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([field for field in rows.schema() if field.name != column])
    pq.write_table(pa.Table.from_pylist([without(column, key)], schema=schema), path)


def test_many_small_parts_become_one(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    names = [f"k{number:02}" for number in range(3 * module.MANY_PARTS)]
    for name in names:
        log.append([row(name)])
        assert keys(log)[-1] == name
    assert keys(log) == names
    assert len(list(tmp_path.glob("day=2013-03-01/part-*"))) < module.MANY_PARTS
    assert keys(ParquetPredictionLog(tmp_path)) == names


def test_others_read_what_a_living_writer_has_not_finished(tmp_path: Path) -> None:
    writer, reader = ParquetPredictionLog(tmp_path), ParquetPredictionLog(tmp_path)
    writer.append([row("a")])
    assert keys(reader) == ["a"]
    writer.append([row("b")])
    assert keys(reader) == ["a", "b"]
    assert keys(writer) == ["a", "b"]
    assert keys(reader) == ["a", "b"]


def test_appends_and_reads_in_many_threads_lose_and_double_nothing(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)

    def write(thread: int) -> None:
        for number in range(50):
            log.append([row(f"{thread}-{number}")])

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        log.read(DAY, NEXT)
    for thread in threads:
        thread.join()
    assert len(keys(log)) == 200


def test_a_full_file_is_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_ahead, "SEAL_AT", 500)
    log = ParquetPredictionLog(tmp_path)
    for number in range(10):
        log.append([row(str(number))])
    assert len(list((tmp_path / "wal").glob("*.jsonl"))) > 1
    assert len(keys(ParquetPredictionLog(tmp_path))) == 10


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from logged import row
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
log = ParquetPredictionLog(sys.argv[1])
log.append([row(str(number)) for number in range(300)])
LAST
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path, last: str = "") -> None:
    command = [sys.executable, "-c", KILLED.replace("LAST", last), str(folder), str(Path(__file__).parents[1])]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    killed(tmp_path, last='os.write(log._writer._file, b\'{"key": "half a li\')')
    assert len(keys(ParquetPredictionLog(tmp_path))) == 300
    assert not list((tmp_path / "wal").glob("*.jsonl")), "what a dead process left is moved"
    assert damaged_in(tmp_path) == (1, 0), "its half line is set aside"


@pytest.mark.parametrize("moment", ["before the parts", "between the parts", "before the unlink"])
def test_a_kill_while_compacting_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row("a"), row("b", NEXT)])
    written: list[Path] = []
    real = module._write

    def interrupted(table: Any, path: Path) -> None:
        if len(written) == {"before the parts": 0, "between the parts": 1}.get(moment):
            raise KeyboardInterrupt
        real(table, path)
        written.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", interrupted)
        if moment == "before the unlink":
            patch.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            log.read(DAY, NEXT)
    for reader in (log, ParquetPredictionLog(tmp_path)):
        assert keys(reader) == ["a"]
        assert keys(reader, NEXT, NEXT + timedelta(days=1)) == ["b"]


def test_a_kill_while_merging_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ParquetPredictionLog(tmp_path)
    for number in range(module.MANY_PARTS):
        log.append([row(f"k{number}")])
        log._writer.seal()
    real = Path.unlink

    def interrupted(path: Path, *_: Any) -> None:
        if path.suffix == ".parquet":
            raise KeyboardInterrupt
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.read(DAY, NEXT)
    assert keys(ParquetPredictionLog(tmp_path)) == [f"k{number}" for number in range(module.MANY_PARTS)]


def test_a_full_disk_costs_the_batch_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row("before")])
    real = write_ahead.os.write

    def full(file: int, block: Any) -> int:
        if len(block) < 100:
            raise OSError(28, "No space left on device")
        return real(file, block[: len(block) - 50])  # the disk takes a part of it, then no more

    with monkeypatch.context() as patch:
        patch.setattr(write_ahead.os, "write", full)
        with pytest.raises(TemporaryError, match="No space left"):
            log.append([row("lost"), row("lost too")])
    log.append([row("after")])
    assert keys(log) == ["before", "after"]


def test_a_disk_that_is_full_when_compacting_keeps_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row("a")])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", full)
        with pytest.raises(TemporaryError, match="Nothing is lost"):
            log.read(DAY, NEXT)
    assert keys(log) == ["a"]
