"""kill -9 at any of the loop's writes, then start again: the same end state as without the kill."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from durable import Killer, end_state, live
from postgres_server import PostgresServer
from tidemill.loop.ports import State

STEP = 7  # of the writes, how far from one that is killed at to the next: some twenty lives


def in_child(work: Callable[[], Any], result: Path) -> int:
    """Runs in a fork, which may die; the wait status. A fork pays no imports."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            result.write_bytes(pickle.dumps(work()))
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def life(folder: Path, at: int | None, after: bool = False, database: str | None = None) -> tuple[int, Any]:
    """(wait status, (end state, number of writes) where it got that far). State holds paths, so that only lives in the
    same folder are comparable."""
    result = folder / "result"

    def work() -> Any:
        killer = Killer(at, after)
        context = live(folder, killer, database)
        return end_state(context), killer.writes

    folder.mkdir(exist_ok=True)
    result.unlink(missing_ok=True)
    status = in_child(work, result)
    return status, pickle.loads(result.read_bytes()) if result.exists() else None


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], int]:
    folder = tmp_path_factory.mktemp("crash") / "life"
    status, result = life(folder, None)
    assert status == 0
    return folder, *result


def test_the_undisturbed_life_passes_everything_that_can_be_interrupted(
    undisturbed: tuple[Path, dict[str, Any], int],
) -> None:
    _, state, writes = undisturbed
    assert writes > 60
    events = {event for _, event, _, _ in state["ledger"]}
    assert {
        "partition.admitted",
        "turn.started",
        "challenger.registered",
        "rollout.advanced",
        "champion.promoted",
    } <= events
    assert len(state["turn"]) == 2


def kill_and_compare(undisturbed: tuple[Path, dict[str, Any], int], at: int, after: bool) -> None:
    folder, expected, _ = undisturbed
    shutil.rmtree(folder)
    status, _ = life(folder, at, after)
    assert os.WIFSIGNALED(status), f"write {at} was never reached"
    assert os.WTERMSIG(status) == signal.SIGKILL
    status, result = life(folder, None)
    assert status == 0, f"after a kill at write {at} it does not start again"
    for kind, found in expected.items():
        assert result[0][kind] == found, f"{kind} differs after a kill at write {at}"


@pytest.mark.timeout(420)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_write_ends_in_the_same_state(undisturbed: tuple[Path, dict[str, Any], int], after: bool) -> None:
    """A sample of all writes, other ones before than after; the test below kills at every one."""
    step = 1 if os.environ.get("TIDEMILL_EVERY_WRITE") else STEP
    for at in range(1 + after * (step // 2), undisturbed[2] + 1, step):
        kill_and_compare(undisturbed, at, after)


@pytest.mark.e2e
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_every_write_ends_in_the_same_state(
    undisturbed: tuple[Path, dict[str, Any], int], after: bool
) -> None:
    for at in range(1, undisturbed[2] + 1):
        kill_and_compare(undisturbed, at, after)


@pytest.mark.e2e
@pytest.mark.timeout(1500)
def test_with_postgresql_a_kill_at_any_write_ends_in_the_same_state(
    undisturbed: tuple[Path, dict[str, Any], int], postgres: PostgresServer
) -> None:
    """The same end state as on SQLite, too: nothing depends on which store it is."""
    folder, expected, writes = undisturbed
    for at in range(1, writes + 1, 3 * STEP):
        shutil.rmtree(folder)
        database = postgres.new_database()
        status, _ = life(folder, at, database=database)
        assert os.WIFSIGNALED(status), f"write {at} was never reached"
        status, result = life(folder, None, database=database)
        assert status == 0, f"after a kill at write {at} it does not start again"
        assert result[0] == expected, f"differs after a kill at write {at}"


def test_state_is_a_port_like_any_other() -> None:
    """What is wrapped above are all the writing methods that the port has."""
    writing = {name for name in vars(State) if not name.startswith("_")} - {"lease", "get", "documents", "ledger"}
    assert writing == {"put", "put_once", "transact"}
