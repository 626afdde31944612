"""Forked processes outlive whoever asked for them, and are told apart from failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tidemill.adapters.local.warm_python import WarmPython

pytestmark = pytest.mark.timeout(120)
# Waits for `go`, as a step trains; ends with 0, or with what `go` says.
STEP = """
import pathlib, sys, time
pathlib.Path("began").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.02)
sys.exit(int(pathlib.Path("go").read_text() or 0))
"""
# Stands for a loop: has a run under way, in a group of its own, and waits to be killed.
LOOP = """
import os, shlex, subprocess, sys
from tidemill.adapters.local.warm_python import WarmPython
warm = WarmPython()
command = shlex.join([*warm.command(), "-m", "a_step"])
environment = {**os.environ, **warm.environment(), "PYTHONPATH": os.getcwd()}
run = subprocess.Popen(["sh", "-c", f"{command}; echo $? > code.part; mv code.part code"], env=environment,
                       process_group=0)
print(warm.environment()["TIDEMILL_NURSERY"], flush=True)
run.wait()
sys.exit()
"""


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


@pytest.fixture
def loop(tmp_path: Path) -> subprocess.Popen[str]:
    (tmp_path / "a_step.py").write_text(STEP)
    return subprocess.Popen([sys.executable, "-c", LOOP], cwd=tmp_path, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("go", "code"), [("", "0"), ("3", "3")], ids=["ends-well", "fails"])
def test_a_step_of_a_loop_that_was_killed_ends_as_it_would_have(
    loop: subprocess.Popen[str], tmp_path: Path, go: str, code: str
) -> None:
    assert loop.stdout is not None
    nursery = Path(loop.stdout.readline().strip())
    until((tmp_path / "began").exists)
    os.kill(loop.pid, signal.SIGKILL)
    loop.wait()
    (tmp_path / "part").write_text(go)
    (tmp_path / "part").rename(tmp_path / "go")
    until((tmp_path / "code").exists)
    assert (tmp_path / "code").read_text().strip() == code
    until(lambda: not nursery.parent.exists())  # and then the nursery goes, and its folder with it


def test_a_process_whose_place_holder_was_killed_ends_too_though_it_is_in_no_group_of_it(tmp_path: Path) -> None:
    """Whoever cancels a run kills its group; a step that is being forked in that moment joins it too late."""
    alone = "import os\nos.setpgid(0, 0)\nopen('pid', 'w').write(str(os.getpid()))\n"
    (tmp_path / "a_step.py").write_text(alone + STEP)
    warm = WarmPython()
    environment = {**os.environ, **warm.environment(), "PYTHONPATH": str(tmp_path)}
    until(Path(environment["TIDEMILL_NURSERY"]).exists)  # else the step would be an ordinary interpreter
    asking = subprocess.Popen([*warm.command(), "-m", "a_step"], cwd=tmp_path, env=environment)
    until((tmp_path / "began").exists)
    step = int((tmp_path / "pid").read_text())
    assert step != asking.pid
    asking.kill()
    asking.wait()

    def gone() -> bool:
        try:
            os.kill(step, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone)
