"""What whoever runs turns does, whichever it is: in this process, kfp.local, Argo Workflows, Kubeflow Pipelines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from pipelines_world import Runner, inline, local
from tidemill.decisions.verdict import Reason
from tidemill.loop.model import Phase, TurnRequest, TurnStatus
from turn_world import DAYS, ROWS

pytestmark = pytest.mark.timeout(900)
STEPS = {"ingest", "validate", "features", "train", "evaluate", "refit", "register"}
BACKENDS = [
    "inline",
    "local",
    pytest.param("argo", marks=[pytest.mark.e2e, pytest.mark.cluster]),
    pytest.param("kubeflow", marks=[pytest.mark.e2e, pytest.mark.cluster]),
]


@pytest.fixture(scope="module", params=BACKENDS)
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("turns")
    if request.param in ("argo", "kubeflow"):
        cluster = pytest.importorskip(f"{request.param}_world")
        yield from cluster.runner(folder)
        return
    yield {"inline": inline, "local": local}[request.param](folder)


@pytest.fixture
def concurrent(runner: Runner) -> Runner:
    if not runner.concurrent:
        pytest.skip("a turn has ended when it was submitted")
    return runner


def ended(runner: Runner, request: TurnRequest) -> TurnStatus:
    runner.pipelines.submit(request)
    return runner.pipelines.wait(request.id, runner.patience)


def until(runner: Runner, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + runner.patience
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.2)


def training(runner: Runner) -> TurnRequest:
    """A turn whose trainer has begun, and never ends."""
    from tidemill.loop.turn.records import records

    request = runner.turn("hangs")
    runner.pipelines.submit(request)

    def began() -> bool:
        status = runner.pipelines.status(request.id)
        assert status.phase is Phase.RUNNING, status
        return "features" in records(request.work_uri)

    until(runner, began)
    return request


@pytest.fixture(scope="module")
def accepted(runner: Runner) -> TurnRequest:
    request = runner.turn()
    for _ in range(2):
        runner.pipelines.submit(request)
    runner.pipelines.wait(request.id, runner.patience)
    return request


def test_a_good_turn_ends_accepted_and_registered(runner: Runner, accepted: TurnRequest) -> None:
    status = runner.pipelines.status(accepted.id)
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.ACCEPTED), status.message
    assert runner.registry.get(accepted.loop, status.result["register"]["version"]).turn == accepted.id
    if runner.isolated:
        assert set(status.result) == STEPS
        assert status.result["refit"]["rows"] == DAYS * ROWS


def test_a_turn_that_has_ended_is_not_run_again(runner: Runner, accepted: TurnRequest) -> None:
    before = runner.pipelines.status(accepted.id)
    for pipelines in (runner.pipelines, runner.again()):
        pipelines.submit(accepted)
        assert pipelines.status(accepted.id) == before
        pipelines.cancel(accepted.id) if runner.concurrent else None
        assert pipelines.status(accepted.id) == before
    registered = [v for v in runner.registry.versions(accepted.loop) if v.turn == accepted.id]
    assert len(registered) == 2, "the model and the baseline, once"


def test_a_turn_that_nobody_submitted_is_unknown(runner: Runner) -> None:
    assert runner.pipelines.status("never").phase is Phase.UNKNOWN
    assert runner.pipelines.status(runner.turn().id).phase is Phase.UNKNOWN
    runner.pipelines.cancel("never")


def test_data_that_cannot_be_trained_on_is_rejected(runner: Runner) -> None:
    status = ended(runner, runner.turn(labels=lambda known: known.assign(label=1.0)))
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.DATA_REJECTED), status.message
    assert "one class only" in status.message
    assert "train" not in status.result


def test_a_challenger_that_is_no_better_is_rejected(runner: Runner) -> None:
    request = runner.turn(evaluation={"accept": {"minRows": 50, "minGain": 5.0}})
    status = ended(runner, request)
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.NO_BETTER_THAN_BASELINE), status.message
    assert all(version.turn != request.id for version in runner.registry.versions(request.loop))


def test_a_trainer_that_raises_fails_the_turn_in_its_own_words(runner: Runner) -> None:
    status = ended(runner, runner.turn("raises"))
    assert (status.phase, status.reason, status.step) == (Phase.FAILED, Reason.TRAINER_FAILED, "train"), status.message
    assert "contract_project:raises" in status.message
    assert "no such column: weather" in status.message


def test_a_step_that_is_killed_fails_the_turn_by_its_name(concurrent: Runner) -> None:
    status = ended(concurrent, concurrent.turn("killed"))
    assert (status.phase, status.reason, status.step) == (Phase.FAILED, Reason.TRAINER_FAILED, "train"), status.message
    assert "Step train failed: its process ended without a word" in status.message


def test_a_trainer_that_never_returns_is_ended_at_the_timeout(concurrent: Runner) -> None:
    seconds = int(concurrent.patience / 5)
    status = ended(concurrent, concurrent.turn("hangs", model={"timeout": f"{seconds}s"}))
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.TIMED_OUT), status.message
    assert f"model.timeout ({seconds} s)" in status.message


def test_a_cancelled_turn_is_unknown_and_can_be_submitted_again(concurrent: Runner) -> None:
    request = training(concurrent)
    for _ in range(2):
        concurrent.pipelines.cancel(request.id)
        assert concurrent.pipelines.status(request.id).phase is Phase.UNKNOWN
    concurrent.pipelines.submit(request)
    assert concurrent.pipelines.status(request.id).phase is Phase.RUNNING
    concurrent.pipelines.cancel(request.id)
    assert concurrent.pipelines.status(request.id).phase is Phase.UNKNOWN


def test_a_run_that_vanished_is_unknown_and_can_be_submitted_again(concurrent: Runner) -> None:
    request = training(concurrent)
    concurrent.lose(request.id)
    until(concurrent, lambda: concurrent.pipelines.status(request.id).phase is Phase.UNKNOWN)
    concurrent.pipelines.submit(request)
    assert concurrent.pipelines.status(request.id).phase is Phase.RUNNING
    concurrent.pipelines.cancel(request.id)


def test_a_turn_whose_pod_was_taken_away_is_unknown_and_can_be_submitted_again(concurrent: Runner) -> None:
    if concurrent.take_pod is None:
        pytest.skip("it runs no Pods")
    request = training(concurrent)
    concurrent.take_pod(request.id)
    until(concurrent, lambda: concurrent.pipelines.status(request.id).phase is not Phase.RUNNING)
    status = concurrent.pipelines.status(request.id)
    assert (status.phase, status.step) in [(Phase.UNKNOWN, "train"), (Phase.UNKNOWN, "")], status
    assert "was lost" in status.message and "delete" in status.message
    concurrent.pipelines.submit(request)
    assert concurrent.pipelines.status(request.id).phase is Phase.RUNNING
    concurrent.pipelines.cancel(request.id)


def test_waiting_ends_with_the_time(concurrent: Runner) -> None:
    request = concurrent.turn("hangs")
    concurrent.pipelines.submit(request)
    assert concurrent.pipelines.wait(request.id, 0.1).phase is Phase.RUNNING
    concurrent.pipelines.cancel(request.id)
