"""Whichever process of a run is killed, and whatever its step has started: nothing of it is left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from left_behind import left, marked

pytestmark = pytest.mark.timeout(120)
# A step that starts a process in its group, and one that leaves its group and its session, and never returns.
RUN = """
import json, os, signal, subprocess, sys, time
from tidemill.adapters.local.forked_steps import forked
from tidemill.adapters.local.processes import kept

names = {"keeper": os.getpid()}
lock = os.open(os.devnull, os.O_RDONLY)
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]

def step():
    names["step"] = os.getpid()
    for alone in (False, True):
        subprocess.Popen(sleeper, start_new_session=alone)
    print(json.dumps(names), flush=True)
    {step}

def run():
    names["run"] = os.getpid()
    code = forked(step, lock)
    print(json.dumps({"code": code}), flush=True)

in_time = kept(run, float(sys.argv[1]))
print(json.dumps({"in_time": in_time}), flush=True)
"""
HANGS = "time.sleep(600)"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Started:
    def __init__(self, step: str, seconds: float = 600) -> None:
        self.marker = f"MARKER={uuid.uuid4().hex}"
        name, _, value = self.marker.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN.replace("{step}", step), str(seconds)],
            stdout=subprocess.PIPE, env={**os.environ, name: value}, text=True, start_new_session=True,
        )  # fmt: skip

    def line(self) -> dict[str, int]:
        assert self.process.stdout is not None
        found: dict[str, int] = json.loads(self.process.stdout.readline())
        return found

    def left(self) -> dict[int, str]:
        self.process.wait(30)
        return left(self.marker, 5)


@pytest.mark.parametrize("step", [HANGS, STUBBORN], ids=["hangs", "ignores-being-told"])
@pytest.mark.parametrize("victim", ["keeper", "run", "step"])
def test_no_process_is_left_whichever_of_a_run_is_killed(victim: str, step: str) -> None:
    run = Started(step)
    pids = run.line()
    assert len(marked(run.marker)) == 5
    os.kill(pids[victim], signal.SIGKILL)
    assert not run.left()


@pytest.mark.parametrize("step", [HANGS, STUBBORN], ids=["hangs", "ignores-being-told"])
def test_a_run_that_is_told_to_end_leaves_nothing(step: str) -> None:
    run = Started(step)
    run.line()
    run.process.terminate()
    assert not run.left()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told"])
def test_no_process_is_left_of_a_run_that_is_ended_at_any_moment(seed: int, number: signal.Signals) -> None:
    run = Started(HANGS)
    time.sleep(random.Random(seed).uniform(0.0, 0.6))
    run.process.send_signal(number)
    assert not run.left()


def test_what_takes_too_long_is_ended_and_said_to_be_late() -> None:
    run = Started(HANGS, 2)
    run.line()
    assert run.line() == {"in_time": False}
    assert not run.left()


def test_what_a_step_leaves_running_is_ended_with_it_and_its_exit_code_is_its_own() -> None:
    run = Started("sys.exit(3)")
    run.line()
    assert (run.line(), run.line()) == ({"code": 3}, {"in_time": True})
    assert not run.left()


PARALLEL = """
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
import numpy as np
X = np.random.default_rng(0).normal(size=(20000, 20))
GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2, n_jobs=2).fit(X, X[:, 0] > 0)
"""


def test_a_step_with_parallel_workers_ends_at_once_and_frees_what_they_shared() -> None:
    """joblib's workers wait five minutes for more work, and share arrays of a megabyte through memory."""
    run = Started("; ".join(PARALLEL.strip().splitlines()))
    pids = run.line()
    began = time.monotonic()
    assert run.line() == {"code": 0}
    assert run.line() == {"in_time": True}
    assert time.monotonic() - began < 60
    assert not run.left()
    assert not list(Path("/dev/shm").glob(f"joblib_memmapping_folder_{pids['step']}_*"))
