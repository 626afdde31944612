"""Files by URI: the same promises on this machine and in an object store (fsspec's in-memory one)."""

from __future__ import annotations

import uuid
from pathlib import Path

import fsspec
import pytest
from machine_servers import store
from tidemill.loop.errors import TemporaryError, TidemillError
from tidemill.loop.turn import files


@pytest.fixture(params=["path", "file", "store"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "store":
        return f"memory://{uuid.uuid4().hex}"
    return str(tmp_path) if request.param == "path" else tmp_path.as_uri()


def test_what_was_written_is_read(base: str) -> None:
    uri = files.join(base, "turns", "a", "request.json")
    assert not files.exists(uri)
    files.write_bytes(uri, b"one")
    files.write_bytes(uri, b"two")
    assert files.exists(uri)
    assert files.read_bytes(uri) == b"two"


def test_what_is_not_there_is_said_to_be_not_there(base: str) -> None:
    with pytest.raises(FileNotFoundError):
        files.read_bytes(files.join(base, "nothing"))
    assert files.names(files.join(base, "no-folder")) == []
    with pytest.raises(FileNotFoundError):
        files.fetch([files.join(base, "nothing")], Path("unused"))[0].read_bytes()


def test_names_are_those_of_the_files_directly_in_a_folder(base: str) -> None:
    for name in ("b.json", "a.json", ".hidden.part"):
        files.write_bytes(files.join(base, "steps", name), b"{}")
    files.write_bytes(files.join(base, "steps", "deeper", "c.json"), b"{}")
    assert files.names(files.join(base, "steps")) == ["a.json", "b.json"]


def test_a_folder_comes_back_as_it_was_stored(base: str, tmp_path: Path) -> None:
    model = tmp_path / "model-to-store"
    (model / "deep").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors")
    (model / "deep" / "model.pkl").write_bytes(b"\x00\x01")
    uri = files.join(base, "models", "1-model")
    files.store_folder(model, uri)
    (model / "deep" / "model.pkl").unlink()
    (model / "other.pkl").write_bytes(b"\x02")
    files.store_folder(model, uri)  # once more, after a kill: what the first one left goes
    found = files.fetch_folder(uri, tmp_path / "fetched")
    assert {p.relative_to(found).as_posix(): p.read_bytes() for p in found.rglob("*") if p.is_file()} == {
        "MLmodel": b"flavors",
        "other.pkl": b"\x02",
    }


def test_files_of_a_store_are_fetched_and_those_that_are_here_stay(base: str, tmp_path: Path) -> None:
    uris = [files.join(base, day, "part.parquet") for day in ("day=1", "day=2")]
    for number, uri in enumerate(uris):
        files.write_bytes(uri, str(number).encode())
    places = files.fetch(uris, tmp_path / "scratch")
    assert [place.read_bytes() for place in places] == [b"0", b"1"], "files of one name do not overwrite each other"
    if "memory" not in base:
        assert places == [files.local_path(uri) for uri in uris]


def test_a_store_that_does_not_answer_is_a_temporary_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> bytes:
        raise ConnectionError("refused")

    monkeypatch.setattr(fsspec.filesystem("memory"), "cat_file", away)
    with pytest.raises(TemporaryError, match=r"memory://bucket/x could not be read.*refused"):
        files.read_bytes("memory://bucket/x")


def test_a_store_without_its_package_names_what_to_install() -> None:
    with pytest.raises(TidemillError, match="Install that store's fsspec package"):
        files.read_bytes("nosuch://bucket/x")


def test_a_name_never_leads_out_of_its_folder(base: str) -> None:
    for name in ("../other", "/etc/passwd", "a/../../b"):
        with pytest.raises(TidemillError, match="does not lie below"):
            files.join(base, name)


def test_a_dot_in_a_name_is_no_folder(base: str) -> None:
    files.write_bytes(files.join(base, "suite.json"), b"{}")
    assert files.read_bytes(files.join(base, "./suite.json")) == b"{}"


def test_a_folder_that_is_removed_is_gone_with_all_in_it_as_often_as_one_likes(base: str) -> None:
    for name in ("steps/a.json", "steps/deep/b.json", "stepson.json"):
        files.write_bytes(files.join(base, *name.split("/")), b"{}")
    for _ in range(2):
        files.remove_folder(files.join(base, "steps"))
    assert files.names(files.join(base, "steps")) == files.names(files.join(base, "steps", "deep")) == []
    assert files.names(base) == ["stepson.json"]


def test_a_file_that_is_removed_is_gone_as_often_as_one_likes_and_no_other(base: str) -> None:
    for name in ("a.json", "a.json.old"):
        files.write_bytes(files.join(base, name), b"{}")
    for _ in range(2):
        files.remove(files.join(base, "a.json"))
    assert files.names(base) == ["a.json.old"]


def test_a_bucket_that_is_not_there_is_no_empty_folder() -> None:
    with store():
        assert files.names("s3://tidemill/nothing/here") == []
        for asked in (files.names, files.read_bytes, files.remove_folder):
            with pytest.raises(TemporaryError, match=r"There is no bucket for s3://tidemil/loop/data\. Make it"):
                asked("s3://tidemil/loop/data")
