"""Of a turn that has ended, the images that its Pods ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tidemill.adapters.argo.pipelines import ArgoPipelines
from tidemill.adapters.argo.run import WORK
from tidemill.adapters.kubernetes.api import ApiError
from tidemill.adapters.step_settings import StepSettings
from tidemill.loop.errors import TemporaryError
from tidemill.loop.model import Phase, TurnStatus

DIGEST = "sha256:" + 64 * "1"
POD = {
    "metadata": {"name": "p", "namespace": "n"},
    "spec": {"containers": [{"name": "main", "image": "me/it:1"}]},
    "status": {"phase": "Succeeded", "containerStatuses": [{"name": "main", "imageID": f"me/it@{DIGEST}"}]},
}


class Cluster:
    """One Workflow, and its Pod or what is raised in its place."""

    def __init__(self, work: Path, phase: str, pods: Exception | None = None) -> None:
        self._work, self._phase, self._pods = work, phase, pods

    def get(self, *_: Any) -> dict[str, Any]:
        named = {"name": "w", "annotations": {WORK: self._work.as_uri()}}
        return {"metadata": named, "spec": {}, "status": {"phase": self._phase, "nodes": {}}}

    def list(self, *_: Any) -> dict[str, Any]:
        if self._pods is not None:
            raise self._pods
        return {"items": [POD]}


def status(*cluster: Any) -> TurnStatus:
    return ArgoPipelines(Cluster(*cluster), "ns.loop", StepSettings("n")).status("t")  # type: ignore[arg-type]


def test_a_turn_that_has_ended_says_which_images_it_ran(tmp_path: Path) -> None:
    assert status(tmp_path, "Succeeded").images == {"me/it:1": (DIGEST,)}


def test_a_turn_that_runs_is_not_asked_for_its_images(tmp_path: Path) -> None:
    found = status(tmp_path, "Running", ApiError(403, "no"))
    assert (found.phase, found.images) == (Phase.RUNNING, {})


def test_how_a_turn_ended_is_told_where_its_pods_may_not_be_read(tmp_path: Path) -> None:
    found = status(tmp_path, "Succeeded", ApiError(403, "no"))
    assert (found.phase, found.images) == (Phase.FAILED, {})  # no step said how it ended


def test_while_the_api_server_is_away_a_turn_has_not_ended(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError):
        status(tmp_path, "Succeeded", TemporaryError("away"))
