"""Predictions on their way to a store that others read: killed, cut off, merged; none lost, none twice."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from logged import DAY, NEXT, row
from tidemill.adapters.log import stored as stored_log
from tidemill.adapters.log.rows import as_parquet, as_table, parsed
from tidemill.adapters.log.shipped import ShippedPredictionLog
from tidemill.adapters.log.shipper import LogShipper
from tidemill.adapters.log.stored import StoredPredictionLog
from tidemill.loop.errors import TemporaryError
from tidemill.loop.turn import files

S3 = os.environ.get("E2E_S3_URL", "")  # a bucket's; AWS_ENDPOINT_URL and the like say where, and who we are


@pytest.fixture(params=["file", "memory", pytest.param("s3", marks=pytest.mark.e2e)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        if not S3:
            pytest.skip("E2E_S3_URL names no bucket")
        return f"{S3}/{uuid.uuid4().hex}"
    return (tmp_path / "store").as_uri() if request.param == "file" else f"memory:/{tmp_path}"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def url(storage: str) -> str:
    return f"{storage}/ns/delay/predictions"


def keys(storage: str, start: datetime = DAY, end: datetime = NEXT, **how: Any) -> list[str]:
    return sorted(StoredPredictionLog(url(storage), **how).read(start, end)["key"])


def test_another_process_reads_what_was_shipped(storage: str, spool: Path) -> None:
    shipper = LogShipper(spool, storage)
    shipper.log("ns", "delay").append([row("a"), row("b", NEXT)])
    assert keys(storage) == []
    assert shipper.step()
    assert keys(storage) == ["a"]
    assert keys(storage, NEXT, NEXT + timedelta(days=1)) == ["b"]
    assert keys(storage, DAY, DAY + timedelta(days=30)) == ["a", "b"]
    assert list(spool.rglob("*.jsonl")) == []


def test_what_a_killed_process_left_is_shipped_at_the_next_start(storage: str, spool: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from tests_row import row
from tidemill.adapters.log.shipper import LogShipper
LogShipper(Path({str(spool)!r}), {storage!r}).log("ns", "delay").append([row("a")])
os.kill(os.getpid(), signal.SIGKILL)
"""
    helper = spool.parent / "tests_row.py"
    helper.write_text(Path(__file__).read_text().split("@pytest.fixture")[0])
    command = [sys.executable, "-c", script]
    killed = subprocess.run(command, check=False, cwd=spool.parent, env=_environment(spool.parent))
    assert killed.returncode == -signal.SIGKILL
    assert LogShipper(spool, storage).step()
    assert keys(storage) == ["a"]


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


@pytest.mark.parametrize("at", [0, 1, 2], ids=["before the parts", "between the parts", "before the unlink"])
def test_a_kill_while_shipping_makes_the_same_parts_again(
    at: int, storage: str, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = LogShipper(spool, storage)
    killed.log("ns", "delay").append([row("a"), row("b", NEXT)])
    real, written = files.write_bytes, []

    def write(uri: str, content: bytes) -> None:
        if len(written) == at:
            raise KeyboardInterrupt
        real(uri, content)
        written.append(uri)
        if at == 2 and len(written) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes", write)
        with pytest.raises(KeyboardInterrupt):
            killed.step()
    assert LogShipper(spool, storage).step()
    assert keys(storage, DAY, NEXT + timedelta(days=1)) == ["a", "b"]
    assert len(StoredPredictionLog(url(storage)).read(DAY, NEXT)) == 1
    assert [len(files.names(f"{url(storage)}/day={day}")) for day in ("2013-03-01", "2013-03-02")] == [1, 1]


def test_while_the_store_is_away_predictions_wait_and_it_is_said_once(
    storage: str, spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shipper = LogShipper(spool, storage, limit=300)
    log = shipper.log("ns", "delay")
    log.append([row("a")])
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes", _refuse)
        assert not shipper.step()
        log.append([row("b")])
        assert not shipper.step()
        assert shipper.waiting > 300
        with pytest.raises(TemporaryError, match="the limit: the store is away"):
            log.append([row("lost")])
    assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 1
    assert shipper.step()
    assert shipper.waiting == 0
    assert "shipped again" in caplog.text
    log.append([row("c")])
    assert shipper.close() == 0
    assert keys(storage) == ["a", "b", "c"]


def test_a_store_that_never_answers_does_not_hold_up_the_end(
    spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shipper = LogShipper(spool, "memory://never")
    shipper.log("ns", "delay").append([row("a")])
    answered = threading.Event()
    monkeypatch.setattr(files, "write_bytes", lambda *_: answered.wait(60))
    assert shipper.close(0.1) > 0
    assert "Keep the folder for the next gateway" in caplog.text
    answered.set()


def _refuse(uri: str, content: bytes) -> None:
    raise TemporaryError("the store is away")


def test_a_damaged_line_is_set_aside_and_the_rest_of_its_file_is_shipped(storage: str, spool: Path) -> None:
    shipper = LogShipper(spool, storage)
    wal = spool / "ns" / "delay" / "wal"
    shipper.log("ns", "delay").append([row("a")])
    (wal / "0-none.jsonl").write_text("{ no\n")
    (wal / "1-some.jsonl").write_bytes(orjson.dumps(row("b")) + b"\n{ no\n" + orjson.dumps(row("c")) + b"\n")
    assert shipper.step()
    assert {path.name: path.read_text() for path in wal.iterdir()} == {
        "0-none.damaged": "{ no\n", "1-some.damaged": "{ no\n"
    }  # fmt: skip
    assert keys(storage) == ["a", "b", "c"]


def test_a_damaged_part_is_told_once_left_where_it_is_and_costs_no_other(
    storage: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shipper, day = LogShipper(spool, storage), f"{url(storage)}/day=2013-03-01"
    for number in range(stored_log.MANY_PARTS):
        shipper.log("ns", "delay").append([row(f"k{number:02}")])
        shipper.step()
    files.write_bytes(f"{day}/part-0-cut.parquet", b"PAR1 and no more")
    reader = StoredPredictionLog(url(storage), merge=True)
    for _ in range(3):
        assert len(reader.read(DAY, NEXT)) == stored_log.MANY_PARTS
    assert caplog.text.count("and is not used") == 1
    assert f"{day}/part-0-cut.parquet" in caplog.text
    assert "part-0-cut.parquet" in files.names(day)
    assert len(files.names(day)) == 2


def test_many_small_parts_are_merged_by_the_reader_that_may(storage: str, spool: Path) -> None:
    shipper = LogShipper(spool, storage)
    expected = []
    merging, other = StoredPredictionLog(url(storage), merge=True), StoredPredictionLog(url(storage))
    for number in range(3 * stored_log.MANY_PARTS):
        expected.append(f"k{number:03}")
        shipper.log("ns", "delay").append([row(expected[-1])])
        shipper.step()
        assert len(other.read(DAY, NEXT)) == number + 1
        assert len(merging.read(DAY, NEXT)) == number + 1
    assert len(files.names(f"{url(storage)}/day=2013-03-01")) <= stored_log.MANY_PARTS
    assert keys(storage) == sorted(other.read(DAY, NEXT)["key"]) == expected


def test_a_kill_while_merging_loses_and_doubles_nothing(
    storage: str, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipper = LogShipper(spool, storage)
    expected = [f"k{number:03}" for number in range(stored_log.MANY_PARTS)]
    for key in expected:
        shipper.log("ns", "delay").append([row(key)])
        shipper.step()

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stored_log, "remove_part_files", killed)
        with pytest.raises(KeyboardInterrupt):
            keys(storage, merge=True)
    assert len(files.names(f"{url(storage)}/day=2013-03-01")) == stored_log.MANY_PARTS + 1
    assert keys(storage) == expected
    assert keys(storage, merge=True) == expected
    assert keys(storage) == expected


def test_parts_of_older_and_newer_releases_are_read_and_merged_with_what_they_know(storage: str, spool: Path) -> None:
    import pyarrow as pa

    day = f"{url(storage)}/day=2013-03-01"
    for number in range(stored_log.MANY_PARTS):
        table = as_table([orjson.loads(orjson.dumps(row(f"old{number}")))]).drop_columns("weight")
        files.write_bytes(f"{day}/part-{number:02}-old.parquet", as_parquet(table))
    table = as_table([orjson.loads(orjson.dumps(row("newer", weight=0.3)))])
    files.write_bytes(f"{day}/part-99-new.parquet", as_parquet(table.append_column("later", pa.array(["kept"]))))
    for merge in (False, True, False):
        found = StoredPredictionLog(url(storage), merge=merge).read(DAY, NEXT)
        assert found["weight"].isna().sum() == stored_log.MANY_PARTS
        assert found["weight"].dropna().tolist() == pytest.approx([0.3])
        assert "later" not in found
    (merged,) = files.names(day)
    assert parquet_columns(f"{day}/{merged}") >= {"weight", "later"}, "a merger loses no column"


def parquet_columns(uri: str) -> set[str]:
    import io

    import pyarrow.parquet as pq

    return set(pq.ParquetFile(io.BytesIO(files.read_bytes(uri))).schema_arrow.names)


def test_larger_parts_are_left_alone_until_there_are_many_of_them() -> None:
    sizes = [1000, 32 << 10, (32 << 10) + 1, 8 * (32 << 10), 64 << 20]
    assert [stored_log._tier(size) for size in sizes] == [0, 0, 1, 1, 4]


def test_a_part_is_fetched_once(storage: str, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipper = LogShipper(spool, storage)
    shipper.log("ns", "delay").append([row("a")])
    shipper.step()
    reader = StoredPredictionLog(url(storage), cache=tmp_path / "cache")
    fetched: list[list[str]] = []
    real = files.fetch
    monkeypatch.setattr(files, "fetch", lambda uris, to: fetched.append(list(uris)) or real(uris, to))
    for _ in range(2):
        assert len(reader.read(DAY, NEXT)) == 1
    shipper.log("ns", "delay").append([row("b")])
    shipper.step()
    assert len(reader.read(DAY, NEXT)) == 2
    assert [len(uris) for uris in fetched] == [1, 1]
    assert len(StoredPredictionLog(url(storage), cache=tmp_path / "cache").read(DAY, NEXT)) == 2
    assert len(fetched) == 2


def test_of_all_logs_of_a_process_only_so_much_is_in_memory(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = [tmp_path / f"part-{number}.parquet" for number in range(4)]
    for path in paths:
        pq.write_table(pa.table({"x": list(range(1000))}), path)
    tables = stored_log.Tables(limit=20_000)
    for path in [*paths, *paths]:
        assert tables.get(path).num_rows == 1000
        assert tables.bytes <= 20_000
    tables.drop(paths[-1])
    tables.drop(paths[-1])
    assert 8000 <= tables.bytes < 16_000


def test_days_that_nobody_asks_for_leave_the_disk(
    storage: str, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_log, "_KEPT_DAYS", 2)
    shipper, cache = LogShipper(spool, storage), tmp_path / "cache"
    days = [DAY + timedelta(days=number) for number in range(4)]
    shipper.log("ns", "delay").append([row(f"k{number}", day) for number, day in enumerate(days)])
    shipper.step()
    for _ in range(2):
        reader = StoredPredictionLog(url(storage), cache=cache)
        assert [len(reader.read(day, day + timedelta(days=1))) for day in days] == [1, 1, 1, 1]
        assert sorted(path.name for path in cache.iterdir()) == ["2013-03-03", "2013-03-04"]
    assert len(reader.read(days[0], NEXT + timedelta(days=3))) == 4


def test_the_quick_way_to_read_lines_reads_what_the_plain_one_does() -> None:
    from datetime import timezone

    york = timezone(timedelta(hours=-5))
    rows = [
        row("a", datetime(2013, 3, 1, 22, 0, 0, 123456, tzinfo=york), raw=float("nan"), score=1, calibrator="c"),
        row("7", status="error", raw=None, score=None, served=False, latency_ms=0.1 + 0.2),
    ]
    lines = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in rows)
    assert parsed(lines).equals(as_table([orjson.loads(line) for line in lines.splitlines()]))
    assert parsed(b"").equals(as_table([]))


def test_a_log_of_its_own_ships_before_it_reads(storage: str, spool: Path) -> None:
    log = ShippedPredictionLog(spool, url(storage))
    log.append([row("a")])
    assert len(log.read(DAY, NEXT)) == 1
    assert log.waiting() == 0
