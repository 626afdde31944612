from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from tidemill.loop.model import Calibrator, ChampionRef
from tidemill.loop.turn.request import folder_of, from_json, read_request, to_json, write_request
from turn_world import START, turn


def test_a_request_reads_back_as_it_was_written_champion_and_correction_too(tmp_path: Path) -> None:
    calibrator = Calibrator("c1", "3", 0.1, 1.2, START)
    request = turn(tmp_path, champion=ChampionRef("3", "file:///m", "sha256:0", calibrator, START))
    assert read_request(request.work_uri) == request
    assert from_json(to_json(replace(request, champion=None))).champion is None


def test_the_digest_is_of_the_bytes_and_the_same_each_time(tmp_path: Path) -> None:
    request = turn(tmp_path)
    text = (folder_of(request.work_uri) / "request.json").read_bytes()
    digest = write_request(request)
    assert digest == write_request(request) == "sha256:" + hashlib.sha256(text).hexdigest()
    assert to_json(from_json(text.decode())).encode() == text
    assert [path.name for path in folder_of(request.work_uri).glob("request*")] == ["request.json"]


def test_the_digest_changes_with_any_partition(tmp_path: Path) -> None:
    request = turn(tmp_path)
    before = write_request(request)
    other = replace(request.partitions[0], digest="sha256:other")
    assert write_request(replace(request, partitions=(other, *request.partitions[1:]))) != before


@pytest.mark.parametrize(("uri", "path"), [("file:///a%20b/c", "/a b/c"), ("/a b", "/a b"), ("a/b", "a/b")])
def test_a_uri_or_a_path_names_a_local_folder(uri: str, path: str) -> None:
    assert folder_of(uri) == Path(path)
