"""Where no step can say why a turn does not go on, its Pods do: on a real Argo, with Pods that really fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import argo_world
import pytest
import small_pipelines
from kfp.compiler import Compiler
from pipelines_world import Runner
from tidemill.adapters.argo.pipelines import ArgoPipelines
from tidemill.decisions.verdict import Reason
from tidemill.loop.model import Phase, TurnStatus

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    yield from argo_world.runner(tmp_path_factory.mktemp("turns"))


def pipelines(runner: Runner, folder: Path, pipeline: str = "", **settings: Any) -> ArgoPipelines:
    path = None
    if pipeline:
        path = folder / "pipeline.yaml"
        Compiler().compile(getattr(small_pipelines, pipeline), str(path))
    made = runner.pipelines
    assert isinstance(made, ArgoPipelines)
    return ArgoPipelines(made._workflows._api, runner.loop, replace(made._settings, **settings), path)


def until_it_waits(argo: ArgoPipelines, turn: str) -> TurnStatus:
    until = time.monotonic() + 120
    while not (status := argo.status(turn)).message:
        assert status.phase is Phase.RUNNING and time.monotonic() < until, status
        time.sleep(0.5)
    return status


def test_a_step_that_ran_out_of_memory_is_said_to_have(runner: Runner, tmp_path: Path) -> None:
    argo, request = pipelines(runner, tmp_path, "out_of_memory"), runner.turn()
    argo.submit(request)
    status = argo.wait(request.id, runner.patience)
    assert (status.phase, status.step) == (Phase.FAILED, "hungry"), status
    assert "memory" in status.message


def test_a_step_that_left_no_record_is_quoted_with_its_exit_code(runner: Runner, tmp_path: Path) -> None:
    argo, request = pipelines(runner, tmp_path, "exits_early"), runner.turn()
    argo.submit(request)
    status = argo.wait(request.id, runner.patience)
    assert (status.phase, status.reason, status.step) == (Phase.FAILED, Reason.PIPELINE_FAILED, "leaves"), status
    assert "PermissionError: no way in (exit code 3)" in status.message
    assert "kubectl -n" in status.message


def test_an_image_that_cannot_be_pulled_is_named_while_it_waits_and_at_the_end(runner: Runner, tmp_path: Path) -> None:
    argo, request = pipelines(runner, tmp_path), runner.turn(model={"timeout": "40s"})
    request = replace(request, image="tidemill/nowhere:1")
    argo.submit(request)
    status = until_it_waits(argo, request.id)
    assert (status.phase, status.message.partition(":")[0]) == (Phase.RUNNING, "Step ingest could not begin")
    assert "image" in status.message and "nowhere:1" in status.message
    status = argo.wait(request.id, runner.patience)
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.TIMED_OUT), status


def test_a_step_that_no_node_takes_says_what_it_lacks(runner: Runner, tmp_path: Path) -> None:
    argo = pipelines(runner, tmp_path, resources={"requests": {"cpu": "1000"}})
    request = runner.turn()
    argo.submit(request)
    status = until_it_waits(argo, request.id)
    assert "no node takes its Pod (Unschedulable: " in status.message
    assert "Insufficient cpu" in status.message
    argo.cancel(request.id)
    assert argo.status(request.id).phase is Phase.UNKNOWN
