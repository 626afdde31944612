"""What the README tells a new user to type, typed."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
TIDEMILL = Path(sys.executable).parent / "tidemill"


def tidemill(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TIDEMILL, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    made = tidemill(folder, "init", "x")
    assert made.returncode == 0, made.stderr
    ran = tidemill(folder / "x", "run", "--once")
    assert ran.returncode == 0, ran.stderr
    assert "challenger.registered" in ran.stdout
    return folder / "x"


@pytest.fixture(scope="module")
def url(project: Path) -> Iterator[str]:
    serving = subprocess.Popen(
        [TIDEMILL, "serve", "--port", "0"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert serving.stdout is not None
    line = next(line for line in serving.stdout if "http://" in line)
    yield line[line.index("http://") :].split("/v2")[0]
    serving.terminate()
    assert serving.wait(20) == 0


def post(url: str, path: str, body: Any) -> dict[str, Any]:
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_prediction_is_answered_and_its_label_taken(project: Path, url: str) -> None:
    answer = post(url, "/v2/models/x/infer", json.loads((project / "request.json").read_text()))
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    assert all(0 < p < 1 for p in outputs["probability"])
    assert outputs["arm"] == ["champion", "champion"]
    labels = {"outcomes": [{"key": "try-1", "label": 1}, {"key": "try-2", "label": 0}]}
    assert post(url, "/v2/models/x/outcomes", labels) == {"new": 2, "duplicate": 0, "conflicting": 0}
    assert post(url, "/v2/models/x/outcomes", labels) == {"new": 0, "duplicate": 2, "conflicting": 0}


def test_status_and_history_tell_what_happened(project: Path) -> None:
    status = json.loads(tidemill(project, "status", "--output", "json").stdout)
    assert status["champion"]["version"] == "1"
    history = json.loads(tidemill(project, "history", "--output", "json").stdout)
    assert [line["event"] for line in history][-3:] == ["turn.started", "challenger.registered", "route.changed"]


def test_a_second_tick_has_nothing_to_do_and_the_plan_said_so(project: Path) -> None:
    assert "change nothing" in tidemill(project, "plan").stdout
    assert "Nothing to do now" in tidemill(project, "run", "--once").stdout


def test_two_daemons_do_not_act_for_one_loop(project: Path) -> None:
    daemon = subprocess.Popen(
        [TIDEMILL, "run", "--every", "1h", "--port", "0"], cwd=project, stderr=subprocess.PIPE, text=True
    )
    try:
        assert daemon.stderr is not None
        assert any("answers at" in line for line in daemon.stderr)
        second = tidemill(project, "run", "--once")
        assert second.returncode == 3
        assert f"pid {daemon.pid}" in second.stderr
    finally:
        daemon.terminate()
        daemon.wait(30)


def test_a_model_file_that_changed_on_disk_is_not_served(project: Path) -> None:
    (pickled,) = (project / ".tidemill" / "artifacts").rglob("*-model/model.pkl")
    before = pickled.read_bytes()
    try:
        pickled.write_bytes(before + b"x")
        ran = tidemill(project, "run", "--once")
        assert ran.returncode == 0, ran.stderr
        assert "not what was registered" in ran.stdout
        assert "tidemill rollback" in ran.stdout
    finally:
        pickled.write_bytes(before)
