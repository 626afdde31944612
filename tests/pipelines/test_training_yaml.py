"""The compiled pipeline is what its source compiles to, and runs wherever Kubeflow Pipelines 2 does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import tidemill_pipelines
import yaml
from tidemill.adapters.local.pipelines import compiled
from tidemill.loop.errors import TidemillError
from tidemill_pipelines.compile import PIPELINES

COMMITTED = Path(tidemill_pipelines.__file__).parent / "training.yaml"


@pytest.fixture(scope="module")
def pipeline() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMMITTED.read_text())
    return loaded


def tasks(pipeline: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task that runs something, in whichever condition it stands."""
    for dag in [pipeline["root"], *pipeline["components"].values()]:
        for name, task in dag.get("dag", {}).get("tasks", {}).items():
            if "executorLabel" in pipeline["components"][task["componentRef"]["name"]]:
                yield name, task


def words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)


@pytest.mark.parametrize("name", list(PIPELINES))
def test_compiling_again_gives_the_committed_bytes(name: str, tmp_path: Path) -> None:
    """In a process of its own: libraries may have changed how this one writes YAML."""
    script = (
        "import sys, pathlib; from tidemill_pipelines.compile import compile_into as c; c(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    committed = COMMITTED.with_name(f"{name}.yaml")
    assert (tmp_path / f"{name}.yaml").read_bytes() == committed.read_bytes(), "python -m tidemill_pipelines.compile"


def test_only_what_kubeflow_pipelines_2_0_understands(pipeline: dict[str, Any]) -> None:
    newer = {"artifactIterator", "parameterIterator", "iteratorPolicy", "artifactSelectors", "parameterSelectors",
             "strategy", "exitTask", "cacheKey", "retryPolicy", "taskConfigPassthroughs"}  # fmt: skip
    assert newer & set(words(pipeline)) == set()
    assert pipeline["schemaVersion"] == "2.1.0"
    assert "platforms" not in pipeline
    conditions = [
        task["triggerPolicy"]["condition"]
        for dag in [pipeline["root"], *pipeline["components"].values()]
        for task in dag.get("dag", {}).get("tasks", {}).values()
        if "triggerPolicy" in task
    ]
    assert sorted(condition.rpartition("==")[2].strip() for condition in conditions) == ["'Accepted'", "'Passed'"]


def test_the_requests_digest_is_an_input_of_every_task(pipeline: dict[str, Any]) -> None:
    """Kubeflow's cache looks at parameters, never at what a URI holds."""
    found = dict(tasks(pipeline))
    assert set(found) == {"ingest", "validate", "features", "train", "evaluate", "refit", "register"}
    for name, task in found.items():
        assert {"request_uri", "request_digest"} <= set(task["inputs"]["parameters"]), name
    assert found["validate"]["inputs"]["parameters"]["data_digest"]["taskOutputParameter"]["producerTask"] == "ingest"


def test_every_step_runs_in_our_image_and_installs_nothing(pipeline: dict[str, Any]) -> None:
    for executor in pipeline["deploymentSpec"]["executors"].values():
        assert executor["container"]["image"].startswith("tidemill/components:")
        assert "pip install" not in json.dumps(executor["container"]["command"])


def test_the_platform_finds_it_by_its_entry_point() -> None:
    assert compiled("training") == COMMITTED
    assert {found.name for found in entry_points(group="tidemill.pipelines")} >= set(PIPELINES)


def test_a_pipeline_that_is_not_installed_is_said() -> None:
    with pytest.raises(TidemillError, match=r"entry point tidemill\.pipelines:nothing"):
        compiled("nothing")
