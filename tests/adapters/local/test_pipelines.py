"""Turns as processes: some that hang where they open their pipeline, and three that run the real compiled one."""

from __future__ import annotations

import json
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from left_behind import marked
from tidemill.adapters.local.pipelines import LocalPipelines
from tidemill.adapters.local.run_pipeline import LOCK, RESULT, conclude, write_result
from tidemill.adapters.mlflow_registry import MlflowRegistry
from tidemill.decisions.verdict import Reason
from tidemill.loop.model import Phase, TurnRequest
from tidemill.loop.turn.artifact import verify
from tidemill.loop.turn.request import folder_of, write_request
from turn_world import DAYS, LOGISTIC, ROWS, turn

pytestmark = pytest.mark.timeout(240)
_PATIENCE = 60  # seconds, for a busy machine
_hanging: list[str] = []


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def pipelines(home: Path) -> LocalPipelines:
    return LocalPipelines(home / "home" / "turns")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def submitted(pipelines: LocalPipelines, request: TurnRequest) -> int:
    """The process that keeps the run, which leads its group."""
    pipelines.submit(request)
    lock = folder_of(request.work_uri) / LOCK
    until(lambda: bool(lock.read_text()))
    return int(lock.read_text())


def members(group: int) -> set[int]:
    """Living processes of a group."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(pgrp) == group and state != "Z":
            found.add(int(stat.parent.name))
    return found


# hanging runs


@pytest.fixture(scope="module")
def hanging(home: Path) -> Iterator[LocalPipelines]:
    """Its compiled pipeline is a pipe that nobody writes to: a run stands still where it opens it."""
    os.mkfifo(home / "pipeline.yaml")
    pipelines = LocalPipelines(home / "home" / "turns", home / "pipeline.yaml")
    yield pipelines
    for id in _hanging:  # what a test that failed has left hanging
        pipelines.cancel(id)


def started(hanging: LocalPipelines, home: Path) -> tuple[TurnRequest, int]:
    """A run that holds its lock, so that one who did not start it sees it, and its group."""
    request = turn(home)
    _hanging.append(request.id)
    group = submitted(hanging, request)
    other = LocalPipelines(home / "home" / "turns")
    until(lambda: other.status(request.id).phase is Phase.RUNNING)
    return request, group


def test_a_turn_that_nobody_submitted_is_unknown(hanging: LocalPipelines, home: Path) -> None:
    assert hanging.status("never").phase is Phase.UNKNOWN
    assert hanging.status(turn(home).id).phase is Phase.UNKNOWN
    hanging.cancel("never")


def test_a_run_that_was_killed_without_a_result_is_unknown_and_can_be_submitted_again(
    hanging: LocalPipelines, home: Path
) -> None:
    request, group = started(hanging, home)
    for pid in members(group):
        os.kill(pid, signal.SIGKILL)
    until(lambda: hanging.status(request.id).phase is Phase.UNKNOWN)
    submitted(hanging, request)
    assert hanging.status(request.id).phase is Phase.RUNNING
    hanging.cancel(request.id)


def test_a_run_is_found_under_way_by_a_loop_that_was_started_again(hanging: LocalPipelines, home: Path) -> None:
    request, group = started(hanging, home)
    until(lambda: len(members(group)) == 2)  # what keeps the run, and the run
    restarted = LocalPipelines(home / "home" / "turns", home / "pipeline.yaml")
    assert restarted.status(request.id).phase is Phase.RUNNING
    restarted.submit(request)
    assert len(members(group)) == 2, "submitted twice, it runs once"
    restarted.cancel(request.id)
    assert not members(group)
    assert restarted.status(request.id).phase is Phase.UNKNOWN


def test_cancelling_ends_the_whole_group_as_often_as_one_likes(hanging: LocalPipelines, home: Path) -> None:
    request, group = started(hanging, home)
    assert members(group)
    hanging.cancel(request.id)
    hanging.cancel(request.id)
    assert not members(group)
    assert hanging.status(request.id).phase is Phase.UNKNOWN


def test_a_run_that_ended_because_something_was_away_runs_again_when_it_is_submitted_again(
    hanging: LocalPipelines, home: Path
) -> None:
    request = turn(home)
    _hanging.append(request.id)
    away = {"failed": True, "temporary": True, "reason": "PipelineFailed", "message": "The store is away."}
    write_result(folder_of(request.work_uri), conclude({"ingest": away}, "RuntimeError"))
    status = hanging.status(request.id)
    assert (status.phase, status.message) == (Phase.UNKNOWN, "Step ingest could not go on: The store is away.")
    hanging.submit(request)
    assert hanging.status(request.id).phase is Phase.RUNNING
    hanging.cancel(request.id)


def test_waiting_ends_with_the_time(hanging: LocalPipelines, home: Path) -> None:
    request, _ = started(hanging, home)
    assert hanging.wait(request.id, 0.1).phase is Phase.RUNNING
    hanging.cancel(request.id)


# how a run ended, from its records


def test_a_branch_that_was_skipped_without_a_reason_is_a_failure() -> None:
    found = conclude({"ingest": {}, "validate": {"verdict": "Passed"}}, "")
    assert (found["phase"], found["reason"]) == ("failed", "PipelineFailed")
    assert "finished steps: ingest, validate" in found["message"]


def test_a_step_that_died_without_a_word_leaves_where_its_log_is() -> None:
    found = conclude({"ingest": {}}, "RuntimeError: Task train finished with status FAILURE")
    assert found["phase"] == "failed"
    assert "run.log" in found["message"]


def test_an_accepted_challenger_that_was_not_registered_is_a_failure() -> None:
    steps = {"validate": {"verdict": "Passed"}, "evaluate": {"verdict": "Accepted", "message": "m"}}
    assert conclude(steps, "")["phase"] == "failed"
    assert conclude({**steps, "register": {}}, "")["phase"] == "succeeded"


# the real pipeline


@pytest.fixture(scope="module")
def accepted(pipelines: LocalPipelines, home: Path) -> TurnRequest:
    request = turn(home)
    pipelines.submit(request)
    pipelines.submit(request)
    pipelines.wait(request.id, _PATIENCE)
    return request


def test_a_good_turn_ends_accepted_and_registered(pipelines: LocalPipelines, accepted: TurnRequest, home: Path) -> None:
    status = pipelines.status(accepted.id)
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.ACCEPTED), status.message
    assert set(status.result) == {"ingest", "validate", "features", "train", "evaluate", "refit", "register"}
    registry = MlflowRegistry(accepted.tracking_uri, home / "home" / "artifacts")
    model = registry.get("tiny", status.result["register"]["version"])
    assert model.turn == accepted.id
    verify(folder_of(model.uri), model.digest)
    assert status.result["refit"]["rows"] == DAYS * ROWS


def test_a_turn_that_has_ended_is_not_run_again(pipelines: LocalPipelines, accepted: TurnRequest, home: Path) -> None:
    result = folder_of(accepted.work_uri) / RESULT
    before = result.stat().st_mtime_ns
    for someone in (pipelines, LocalPipelines(home / "home" / "turns")):
        someone.submit(accepted)
        assert someone.status(accepted.id).phase is Phase.SUCCEEDED
    assert result.stat().st_mtime_ns == before
    assert len(MlflowRegistry(accepted.tracking_uri, home / "home" / "artifacts").versions("tiny")) == 2


def test_kubeflow_keeps_what_its_dashboard_shows(accepted: TurnRequest) -> None:
    kept = {path.name for path in (folder_of(accepted.work_uri) / "pipeline").rglob("*") if path.is_file()}
    assert {"report", "card"} <= kept


def test_data_that_cannot_be_trained_on_ends_the_run_with_a_reason(pipelines: LocalPipelines, home: Path) -> None:
    request = turn(home, labels=lambda known: known.assign(label=1.0))
    pipelines.submit(request)
    status = pipelines.wait(request.id, _PATIENCE)
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.DATA_REJECTED), status.message
    assert "one class only" in status.message
    assert set(status.result) == {"ingest", "validate"}


HANGS = (
    LOGISTIC
    + """

def never(X, y, previous=None):
    import pathlib, threading
    pathlib.Path(__file__).with_suffix(".began").touch()
    threading.Event().wait()
"""
)


PARALLEL = (
    LOGISTIC
    + """

def searched(X, y, previous=None):
    from sklearn.model_selection import GridSearchCV

    found = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, n_jobs=2).fit(X[["x", "z"]], y.astype(int))
    chosen = make_column_transformer(("passthrough", ["x", "z"]))
    return make_pipeline(chosen, LogisticRegression(**found.best_params_)).fit(X, y.astype(int))
"""
)


def with_trainer(plain: TurnRequest, name: str, **model: str) -> TurnRequest:
    trainer = plain.spec["spec"]["model"]["trainer"].replace(":train", f":{name}")
    changed = {**plain.spec["spec"]["model"], "trainer": trainer, **model}
    request = replace(plain, spec={**plain.spec, "spec": {**plain.spec["spec"], "model": changed}})
    write_request(request)
    return request


def test_a_trainer_that_uses_several_processes_holds_no_step_up(pipelines: LocalPipelines, home: Path) -> None:
    """joblib's workers wait five minutes for more work; a step does not wait for them."""
    request = with_trainer(turn(home, PARALLEL), "searched")
    pipelines.submit(request)
    status = pipelines.wait(request.id, _PATIENCE)
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.ACCEPTED), status.message


def test_a_trainer_that_never_returns_is_ended_with_all_its_processes(pipelines: LocalPipelines, home: Path) -> None:
    request = with_trainer(turn(home, HANGS), "never", timeout="12s")
    module = request.spec["spec"]["model"]["trainer"].partition(":")[0]
    group = submitted(pipelines, request)
    status = pipelines.wait(request.id, _PATIENCE)
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.TIMED_OUT), status.message
    assert "model.timeout (12 s)" in status.message
    assert (home / f"{module}.began").exists(), "it was the trainer that hung"
    until(lambda: not members(group))
    result = json.loads((folder_of(request.work_uri) / RESULT).read_text())
    assert result["reason"] == "TimedOut"


STARTS = (
    HANGS
    + """

def starts(X, y, previous=None):
    import subprocess, sys
    for alone in (False, True):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=alone)
    never(X, y)
"""
)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("how", ["cancelled", "its-keeper-killed", "its-run-killed"])
def test_no_process_of_a_turn_is_left_at_whatever_moment_it_is_ended(
    marked_pipelines: tuple[LocalPipelines, str], home: Path, seed: int, how: str
) -> None:
    pipelines, marker = marked_pipelines
    request = with_trainer(turn(home, STARTS), "starts")
    keeper = submitted(pipelines, request)
    module = request.spec["spec"]["model"]["trainer"].partition(":")[0]
    if seed == 0:
        until((home / f"{module}.began").exists)
    else:
        time.sleep(random.Random(f"{seed} {how}").uniform(0, 3))
    children = Path(f"/proc/{keeper}/task/{keeper}/children")
    victim = keeper if how == "its-keeper-killed" else int((children.read_text().split() or [keeper])[0])
    if how == "cancelled":
        pipelines.cancel(request.id)
        assert pipelines.status(request.id).phase is Phase.UNKNOWN
    else:
        os.kill(victim, signal.SIGKILL)
    zygote = pipelines._warm._process
    assert zygote is not None
    until(lambda: set(marked(marker)) <= {zygote.pid} and pipelines.status(request.id).phase is Phase.UNKNOWN)
    assert set(marked(marker)) <= {zygote.pid}


@pytest.fixture(scope="module")
def marked_pipelines(home: Path) -> Iterator[tuple[LocalPipelines, str]]:
    """All processes of its runs can be told by a marker in their environment."""
    value = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARKER", value)
        pipelines = LocalPipelines(home / "home" / "turns", warm=True)
    yield pipelines, f"MARKER={value}"
