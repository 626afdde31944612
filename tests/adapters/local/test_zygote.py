"""Runs outlive who asked for them; the zygote does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from left_behind import left, marked
from tidemill.adapters.local.pipelines import LocalPipelines
from tidemill.adapters.local.run_pipeline import LOCK
from tidemill.loop.model import Phase
from turn_world import turn

pytestmark = pytest.mark.timeout(120)
# Stands for a loop: asks for a run whose pipeline is a pipe that nobody writes to, and waits to be killed.
# It hears Ctrl-C where the tests themselves do not: a shell starts jobs in the background with it ignored.
LOOP = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from tidemill.adapters.local.pipelines import LocalPipelines
from tidemill.loop.turn.request import read_request
work, turns = sys.argv[1:]
pipelines = LocalPipelines(Path(turns), Path(turns) / "pipeline.yaml")
pipelines.submit(read_request(work))
print("asked", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_the_zygote_ends_with_its_loop_and_a_run_that_was_asked_for_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    request = turn(tmp_path)
    turns = tmp_path / "home" / "turns"
    os.mkfifo(turns / "pipeline.yaml")
    mark = uuid.uuid4().hex
    loop = subprocess.Popen(
        [sys.executable, "-c", LOOP, request.work_uri, str(turns)],
        env={**os.environ, "MARKER": mark}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert loop.stdout is not None and loop.stdout.readline() == "asked\n"
    loop.send_signal(number)  # while the zygote still imports
    loop.wait()
    other = LocalPipelines(turns)
    assert other.status(request.id).phase is Phase.RUNNING
    while not (turns / request.id / LOCK).read_text() or len(marked(f"MARKER={mark}")) != 2:
        assert other.status(request.id).phase is Phase.RUNNING
        time.sleep(0.2)  # until there are the run's two processes, and the zygote has gone
    other.cancel(request.id)
    assert other.status(request.id).phase is Phase.UNKNOWN
    # The zygote may have been one of the two that were counted: on a busy machine it takes a while to see its end.
    assert not left(f"MARKER={mark}", 30), "when a cancelled run's lock is free, nothing of it is left"


def test_a_run_that_is_cancelled_before_it_has_begun_is_gone_at_once_and_never_begins(tmp_path: Path) -> None:
    request = turn(tmp_path)
    turns = tmp_path / "home" / "turns"
    pipelines = LocalPipelines(turns)
    pipelines.submit(request)  # waits for the imports
    pipelines.cancel(request.id)
    assert pipelines.status(request.id).phase is Phase.UNKNOWN
    next_one = turn(tmp_path)
    pipelines.submit(next_one)
    pipelines.wait(next_one.id, 60)  # served after the other
    assert not (turns / request.id / "steps").exists()
    assert pipelines.status(request.id).phase is Phase.UNKNOWN


def test_a_zygote_that_nobody_asked_for_anything_ends_while_it_imports() -> None:
    mark = uuid.uuid4().hex
    loop = subprocess.Popen(
        [sys.executable, "-c", "from tidemill.adapters.local.warm_python import WarmPython; WarmPython().begin()"],
        env={**os.environ, "MARKER": mark},
    )
    loop.wait()
    assert not left(f"MARKER={mark}", 10)
