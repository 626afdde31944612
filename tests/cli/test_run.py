"""`tidemill run` as a person starts it: a process that goes on answering, whatever happens to its ticks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from tidemill.cli.init import write_project


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two days of data: too few for a turn, which would take half a minute."""
    write_project(tmp_path, "shop", date(2026, 1, 31))
    for path in sorted((tmp_path / "data").iterdir())[:-2]:
        path.unlink()
    return tmp_path


@contextmanager
def daemon(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tidemill.cli.main", "run", str(folder), "--port", "0", "--every", "1s", *options]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def heard(started: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """The next line of that event; each line before it is JSON, too."""
    assert started.stdout is not None
    for text in started.stdout:
        line: dict[str, Any] = json.loads(text)
        if line["event"] == event:
            return line
    raise AssertionError(f"it ended without {event}")


def test_a_step_that_fails_is_told_and_tried_again_while_requests_are_answered(shop: Path) -> None:
    suite = (shop / "expectations.json").read_text()
    (shop / "expectations.json").write_text(suite[:40])  # half saved
    with daemon(shop, "--output", "json") as started:
        url = heard(started, "gateway.started")["message"].split(" answers at ")[1].partition("/v2")[0]
        failed = heard(started, "step.failed")
        assert (failed["loop"], failed["step"]) == ("shop", "admit_arrivals")
        assert f"{shop}/expectations.json" in failed["message"]
        assert "It is tried again" in failed["message"]
        assert httpx.get(f"{url}/v2/health/live", trust_env=False).status_code == 200
        (shop / "expectations.json").write_text(suite)
        assert heard(started, "partition.admitted")["message"].startswith("Partition 2026-01-30 is admitted")
        heard(started, "step.recovered")
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == 0


def test_what_makes_the_start_impossible_ends_it(shop: Path) -> None:
    (shop / "loop.yaml").write_text((shop / "loop.yaml").read_text().replace("growth:", "growht:"))
    with daemon(shop) as started:
        assert started.wait(60) == 2
