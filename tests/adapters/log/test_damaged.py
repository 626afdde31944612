"""What a power cut or a failing disk leaves in a prediction log costs what it hit, and is told."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from logged import DAY, NEXT, row
from tidemill.adapters.log.damaged import damaged_in, read_lines
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.adapters.log.rows import as_table


def line(key: str, **more: object) -> bytes:
    return orjson.dumps(row(key, **more), option=orjson.OPT_APPEND_NEWLINE)


def without(column: str) -> bytes:
    return orjson.dumps({name: value for name, value in row("x").items() if name != column}) + b"\n"


DAMAGE = {
    "half a line": line("x")[:40] + b"\n",
    "half a line, and the next one at once": line("x")[:40],
    "no JSON": b"{ no\n",
    "JSON that is no object": b"[1, 2]\n",
    "a number": b"17\n",
    "no event time": without("event_time"),
    "no key": without("key"),
    "no version": without("version"),
    "a key that is no text": line("x").replace(b'"x"', b"5"),
    "a time that is none": line("x").replace(b"2013-03-01T", b"yesterday"),
    "bytes that are no text": line("x").replace(b'"x"', b'"\xff\xfe"'),
    "NUL bytes before a line": b"\0" * 4096,
    "NUL bytes as a line": b"\0" * 100 + b"\n",
    "two documents in a line": line("x").strip() + b"{}\n",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_line_costs_no_other_and_is_set_aside_as_it_was(
    damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wal = tmp_path / "wal"
    wal.mkdir()
    last = line("next") if damage.endswith((b"\n", b"\0")) else line("next") + line("next")
    (wal / "1-hit.jsonl").write_bytes(line("before") + damage + last)
    log = ParquetPredictionLog(tmp_path)
    log.append([row("other file")])
    for _ in range(2):
        assert sorted(log.read(DAY, NEXT)["key"]) == ["before", "next", "other file"]
    assert [path.name for path in wal.iterdir()] == ["1-hit.damaged"]
    assert damage.strip(b"\n") in (wal / "1-hit.damaged").read_bytes()
    assert damaged_in(tmp_path) == (1, 0)
    assert "1 damaged line(s)" in caplog.text
    assert "1-hit.damaged" in caplog.text


def test_every_line_of_a_whole_file_is_read(tmp_path: Path) -> None:
    table, damaged = read_lines(line("a") + line("b", raw=None, score=None, calibrator=None, weight=None))
    assert table["key"].to_pylist() == ["a", "b"]
    assert damaged == []
    assert read_lines(b"")[0].equals(as_table([]))
    assert read_lines(b"\n\n" + line("a"))[1] == []


def test_a_last_line_that_a_killed_process_did_not_finish_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / "1-hit.jsonl").write_bytes(line("whole") + line("half")[:50])
    assert ParquetPredictionLog(tmp_path).read(DAY, NEXT)["key"].tolist() == ["whole"]
    assert (tmp_path / "wal" / "1-hit.damaged").read_bytes() == line("half")[:50] + b"\n"


def test_an_empty_file_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / "1-empty.jsonl").touch()
    assert ParquetPredictionLog(tmp_path).read(DAY, NEXT).empty
    assert list((tmp_path / "wal").iterdir()) == []


def test_a_damaged_line_of_a_file_that_still_grows_is_set_aside_when_the_file_is_finished(tmp_path: Path) -> None:
    writer, reader = ParquetPredictionLog(tmp_path), ParquetPredictionLog(tmp_path)
    writer.append([row("a")])
    (growing,) = (tmp_path / "wal").glob("*.jsonl")
    with growing.open("ab") as file:
        file.write(b"{ no\n" + line("b"))
    assert sorted(reader.read(DAY, NEXT)["key"]) == ["a", "b"]
    assert damaged_in(tmp_path) == (0, 0)
    assert sorted(writer.read(DAY, NEXT)["key"]) == ["a", "b"]
    assert damaged_in(tmp_path) == (1, 0)


def test_a_kill_after_setting_aside_says_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / "1-hit.jsonl").write_bytes(line("a") + b"{ no\n")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            ParquetPredictionLog(tmp_path).read(DAY, NEXT)
    assert ParquetPredictionLog(tmp_path).read(DAY, NEXT)["key"].tolist() == ["a"]
    assert damaged_in(tmp_path) == (1, 0)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\0" * 5000], ids=["empty", "cut off", "NUL bytes"])
def test_a_damaged_part_is_set_aside_and_the_others_are_read(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row("a")])
    log.read(DAY, NEXT)
    (tmp_path / "day=2013-03-01" / "part-0-cut.parquet").write_bytes(content)
    for reader in (log, ParquetPredictionLog(tmp_path)):
        assert reader.read(DAY, NEXT)["key"].tolist() == ["a"]
    assert caplog.text.count("is damaged") == 1
    assert (tmp_path / "day=2013-03-01" / "part-0-cut.damaged").read_bytes() == content
    assert damaged_in(tmp_path) == (0, 1)


def test_a_part_with_a_damaged_page_is_set_aside(tmp_path: Path) -> None:
    log = ParquetPredictionLog(tmp_path)
    log.append([row(f"k{number}") for number in range(1000)])
    log.read(DAY, NEXT)
    (part,) = tmp_path.glob("day=*/part-*.parquet")
    whole = part.read_bytes()
    part.write_bytes(whole[:100] + b"\xff" * 3000 + whole[3100:])
    assert ParquetPredictionLog(tmp_path).read(DAY, NEXT).empty
    assert damaged_in(tmp_path) == (0, 1)
