"""`tidemill outcomes`: labels from a file find their predictions, and wrong ones are named."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from tidemill.adapters.local.outcomes import SqliteOutcomes
from tidemill.adapters.system_clock import SystemClock
from tidemill.cli.main import cli


def send(text: str, *options: str) -> Result:
    Path("labels.csv").write_text("visit_id,bought\n" + text)
    return CliRunner().invoke(cli, ["outcomes", "--from", "labels.csv", *options])


def kept(shop: Path) -> dict[str, float]:
    known = SqliteOutcomes(shop / ".tidemill" / "outcomes").known(SystemClock().now())
    return dict(zip(known["key"], known["label"], strict=True))


def test_keys_are_what_they_are_in_the_file(shop: Path) -> None:
    result = send("000123,1\n0042,0\n7,1.0\n", "--output", "json")
    assert json.loads(result.stdout) == {"new": 3, "duplicate": 0, "conflicting": 0}
    assert kept(shop) == {"000123": 1.0, "0042": 0.0, "7": 1.0}


def test_keys_of_a_table_stay_whole_numbers_beside_one_that_is_missing(shop: Path) -> None:
    pd.DataFrame({"visit_id": [1001, None, 1003], "bought": [1, None, 0]}).to_parquet("labels.parquet")
    assert CliRunner().invoke(cli, ["outcomes", "--from", "labels.parquet"]).exit_code == 0
    assert kept(shop) == {"1001": 1.0, "1003": 0.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,1\nb,maybe\n", "holds a label that is neither 0 nor 1: 'maybe' (key b). None was sent."),
        ("a,1\nb,2\n", "neither 0 nor 1: 2 (key b)"),
        ("a,1\n,0\n", "Row 2 of labels.csv has a label and no key. None was sent."),
    ],
)
@pytest.mark.parametrize("served", [False, True])
def test_what_is_no_label_is_named_and_nothing_is_recorded(
    shop: Path, text: str, said: str, served: bool, server: list[Any]
) -> None:
    result = send(text, *(["--profile", "profile.yaml"] if served else []))
    assert result.exit_code == 2
    assert said in result.stderr and "fault" not in result.stderr
    assert (kept(shop), server) == ({}, [])


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_a_file_that_is_no_table_is_a_wrong_file(shop: Path, name: str) -> None:
    Path(name).write_bytes(b"\xff\x00no table")
    result = CliRunner().invoke(cli, ["outcomes", "--from", name])
    assert (result.exit_code, f"{name} is no readable" in result.stderr) == (2, True)


def test_a_server_gets_the_same_keys(shop: Path, server: list[Any]) -> None:
    assert send("000123,1\nb,\n", "--profile", "profile.yaml").exit_code == 0
    assert server == [{"outcomes": [{"key": "000123", "label": 1.0}]}]


@pytest.fixture
def server(shop: Path) -> Any:
    """What a Tidemill server would be sent; shop/profile.yaml names it."""
    sent: list[Any] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            answer = b'{"new": 1, "duplicate": 0, "conflicting": 0}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    profile = {"apiVersion": "tidemill.dev/v1alpha1", "kind": "Profile", "metadata": {"name": "there"}}
    spec = {"server": {"url": f"http://127.0.0.1:{listening.server_port}", "namespace": "shop"}}
    (shop / "profile.yaml").write_text(json.dumps({**profile, "spec": spec}))
    yield sent
    listening.shutdown()
    listening.server_close()
