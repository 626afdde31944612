"""A helper comes when it is called, goes when it is idle, and its end is never silent."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helped import Work, refuses_once
from tidemill.adapters.helper import Helper, HelperGone
from tidemill.adapters.kubernetes.api import ApiError

SECONDS = 30.0  # as long as anything here may take on a busy machine
HERE = Path(__file__).parents[1]


@pytest.fixture
def made() -> Iterator[Callable[..., Helper]]:
    helpers = []

    def make(start: Any = Work, **options: Any) -> Helper:
        helpers.append(Helper(start, **options))
        return helpers[-1]

    yield make
    for helper in helpers:
        helper.stop()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_calls_are_served_by_one_process_that_remembers(made: Callable[..., Helper]) -> None:
    helper = made()
    first, second = helper.call("count"), helper.call("count")
    assert first == (helper.pid, 1) and second == (helper.pid, 2)
    assert helper.pid != os.getpid()


def test_it_goes_when_it_is_idle_and_comes_back_when_it_is_called(made: Callable[..., Helper]) -> None:
    helper = made(idle=0.05)
    pid, _ = helper.call("count")
    until(lambda: is_gone(pid))
    again, calls = helper.call("count")
    assert again != pid and calls == 1


def test_it_does_not_go_while_a_call_is_served(made: Callable[..., Helper], tmp_path: Path) -> None:
    helper, answers = made(idle=0.05), list[str]()
    gate = str(tmp_path / "gate")
    caller = threading.Thread(target=lambda: answers.append(helper.call("wait_for", gate)))
    caller.start()
    until(Path(f"{gate}.begun").exists)
    threading.Event().wait(0.3)  # several times as long as it may be idle
    assert helper.call("count")[0] == helper.pid, "two calls at once, and still the same process"
    Path(gate).touch()
    caller.join(SECONDS)
    assert answers == [gate]


def test_what_is_said_meanwhile_is_heard_in_its_order(made: Callable[..., Helper]) -> None:
    heard: list[str] = []
    assert made().call("tell", "a", "b", heard=heard.append) == "told"
    assert heard == ["a", "b"]


def test_an_exception_is_raised_as_it_was_there(made: Callable[..., Helper]) -> None:
    with pytest.raises(ApiError, match="It was changed meanwhile") as raised:
        made().call("refuse")
    assert raised.value.status == 409
    assert any("in refuse" in note for note in raised.value.__notes__), "the trace of the process that raised it"


def test_an_exception_that_cannot_travel_keeps_its_words(made: Callable[..., Helper]) -> None:
    with pytest.raises(RuntimeError, match="a lock does not travel") as raised:
        made().call("break_down")
    assert type(raised.value).__name__ == "Untransportable"


def test_what_cannot_travel_there_is_refused_and_holds_nothing_up(made: Callable[..., Helper]) -> None:
    helper = made(idle=0.05)
    pid, _ = helper.call("count")
    with pytest.raises(TypeError, match="cannot pickle"):
        helper.call("tell", threading.Lock())
    until(lambda: is_gone(pid))


def test_a_process_that_cannot_be_started_is_a_call_that_failed(
    made: Callable[..., Helper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(HelperGone, match="No helper process can be started"):
        made().call("count")


def test_what_could_not_be_opened_is_opened_by_the_next_call(made: Callable[..., Helper], tmp_path: Path) -> None:
    helper = made(functools.partial(refuses_once, str(tmp_path)))
    with pytest.raises(ValueError, match="the database is not there yet"):
        helper.call("count")
    assert helper.call("count")[1] == 1


def test_a_process_that_is_killed_in_a_call_fails_it_and_is_replaced(made: Callable[..., Helper]) -> None:
    helper = made()
    with pytest.raises(HelperGone, match=r"was ended by SIGKILL.*give its container more"):
        helper.call("die")
    assert helper.call("count")[1] == 1


def test_a_process_that_is_killed_between_calls_is_replaced(made: Callable[..., Helper]) -> None:
    helper = made()
    pid, _ = helper.call("count")
    os.kill(pid, signal.SIGKILL)
    until(lambda: helper.pid is None)
    assert helper.call("count")[1] == 1


def test_a_process_that_hangs_as_a_whole_is_killed(made: Callable[..., Helper]) -> None:
    helper = made(silence=4.0)
    assert helper.call("count")[1] == 1
    with pytest.raises(HelperGone, match="gave no sign of life"):
        helper.call("freeze")
    assert helper.pid is None


def test_a_stop_ends_it_in_the_middle_of_a_call(made: Callable[..., Helper], tmp_path: Path) -> None:
    helper, errors = made(), list[str]()
    gate = str(tmp_path / "never")

    def call() -> None:
        try:
            helper.call("wait_for", gate)
        except HelperGone as error:
            errors.append(str(error))

    caller = threading.Thread(target=call)
    caller.start()
    until(Path(f"{gate}.begun").exists)
    pid = helper.pid
    assert pid is not None
    helper.stop()
    assert is_gone(pid)
    caller.join(SECONDS)
    assert len(errors) == 1
    with pytest.raises(HelperGone, match="any more"):
        helper.call("count")


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys; from helped import Work; from tidemill.adapters.helper import Helper; helper = Helper(Work); "
        "print(helper.call('count')[0], flush=True); helper.call('wait_for', sys.argv[1])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, sys.path)])}
    command = [sys.executable, "-c", program, str(tmp_path / "never")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        until((tmp_path / "never.begun").exists)
        parent.kill()
    until(lambda: is_gone(pid))


def test_one_that_goes_when_it_is_idle_clears_its_folders_away(made: Callable[..., Helper]) -> None:
    helper = made(idle=0.05)
    folder = Path(helper.call("temporary"))
    pid = helper.pid
    until(lambda: pid is None or is_gone(pid))
    assert not folder.exists()
