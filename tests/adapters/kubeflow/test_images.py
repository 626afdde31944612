"""Of a turn that has ended, the images that its run's Pods ran."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tidemill.adapters.kubeflow.pipelines import KubeflowPipelines
from tidemill.adapters.step_settings import StepSettings
from tidemill.adapters.system_clock import SystemClock

DIGEST = "sha256:" + 64 * "1"


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
def test_a_turn_that_has_ended_says_which_images_it_ran(tmp_path: Path, state: str) -> None:
    run = SimpleNamespace(run_id="r1", state=state, error=None, state_history=())
    server: Any = SimpleNamespace(find_runs=lambda *_: [run], endpoint="http://there")
    asked: list[str] = []

    def images(run: str) -> dict[str, tuple[str, ...]]:
        asked.append(run)
        return {"me/it:1": (DIGEST,)}

    steps = tmp_path / "turns" / "t" / "steps"
    steps.mkdir(parents=True)
    (steps / "train.json").write_text('{"failed": true, "reason": "TrainerFailed", "message": "no"}')
    turns = KubeflowPipelines(
        server, tmp_path, StepSettings("n"), "ns.loop", tmp_path.as_uri(), SystemClock(), lambda run: None, images
    )
    assert turns.status("t").images == {"me/it:1": (DIGEST,)}
    assert asked == ["r1"]
