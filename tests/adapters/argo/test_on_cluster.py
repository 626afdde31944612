"""Translated pipelines on a real Argo: its schemas take them, and they end as the pipeline's source says."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import argo_world
import pytest
import small_pipelines
import tidemill_pipelines
from kfp.compiler import Compiler
from machine_servers import HOST, KEYS, store
from tidemill.adapters.argo.api import Workflows
from tidemill.adapters.argo.run import Run
from tidemill.adapters.argo.translate import read_ir, translate
from tidemill.adapters.step_settings import SecretEnv, StepSettings
from tidemill.loop.errors import TidemillError

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(600)]
PIPELINES = ["branches", "one_of", "nested", "loops", "values", "settings"]
PATIENCE = 300


@dataclass
class Ended:
    phase: str
    message: str
    outputs: dict[str, dict[str, Any]]  # by the path of the task: `for-loop-1/each(0:0)/write`
    phases: dict[str, str]

    def told(self, task: str, name: str = "Output") -> Any:
        return self.outputs[task][name]


@dataclass
class Argo:
    workflows: Workflows
    settings: StepSettings
    folder: Path

    def translated(self, name: str, **arguments: Any) -> dict[str, Any]:
        path = self.folder / f"{name}.yaml"
        Compiler().compile(getattr(small_pipelines, name), str(path))
        run = Run(f"{name.replace('_', '-')}-{uuid.uuid4().hex[:6]}", f"s3://tidemill/{uuid.uuid4().hex}", PATIENCE)
        return translate(read_ir(path), run, arguments, self.settings)

    def ended(self, name: str, **arguments: Any) -> Ended:
        made = self.translated(name, **arguments)
        self.workflows.create(made)
        until, id = time.monotonic() + PATIENCE, made["metadata"]["name"]
        while (found := self.workflows.get(id) or {}).get("status", {}).get("phase") not in (
            "Succeeded",
            "Failed",
            "Error",
        ):
            assert time.monotonic() < until, found.get("status")
            time.sleep(1)
        status = found["status"]
        outputs: dict[str, dict[str, Any]] = {}
        phases: dict[str, str] = {}
        for node in status["nodes"].values():
            task = node["name"].removeprefix(id).lstrip(".").replace(".", "/")
            phases[task] = node["phase"]
            if node["type"] == "Pod":
                made_by = node.get("outputs", {}).get("parameters", [])
                outputs[task] = {given["name"]: json.loads(given.get("value", "null")) for given in made_by}
        return Ended(status["phase"], status.get("message", ""), outputs, phases)


@pytest.fixture(scope="module")
def argo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argo]:
    with argo_world.cluster() as cluster, store() as port:
        settings = replace(
            cluster.settings,
            env={"AWS_ENDPOINT_URL": f"http://{HOST}:{port}", "AWS_REGION": "us-east-1"},
            secrets=(SecretEnv("store", tuple(KEYS)),),
        )
        yield Argo(Workflows(cluster.api, cluster.namespace), settings, tmp_path_factory.mktemp("compiled"))


@pytest.mark.parametrize("name", PIPELINES)
def test_argos_schemas_take_it(argo: Argo, name: str) -> None:
    argo.workflows.create(argo.translated(name), check=True)


def test_argos_schemas_take_the_training_pipeline_and_refuse_a_field_that_is_none(argo: Argo) -> None:
    training = Path(tidemill_pipelines.__file__).with_name("training.yaml")
    made = translate(
        read_ir(training), Run("t", "s3://b/p", 60), {"request_uri": "u", "request_digest": "d"}, argo.settings
    )
    argo.workflows.create(made, check=True)
    with pytest.raises(TidemillError, match="noSuchField"):
        argo.workflows.create({**made, "spec": {**made["spec"], "noSuchField": 1}}, check=True)


@pytest.mark.parametrize(("n", "taken", "skipped"), [(3, 2, (3, 4)), (0, 3, (2, 4)), (1, 4, (2, 3))])
def test_one_branch_runs(argo: Argo, n: int, taken: int, skipped: tuple[int, int]) -> None:
    found = argo.ended("branches", n=n, word="Failed" if n else "Passed")
    assert found.phase == "Succeeded", found
    branches = "condition-branches-1"
    assert found.phases[f"{branches}/condition-{taken}"] == "Succeeded"
    assert [found.phases[f"{branches}/condition-{other}"] for other in skipped] == ["Skipped", "Skipped"]
    assert found.phases["condition-5"] == ("Skipped" if n else "Succeeded")
    if not n:
        assert "small" in [outputs.get("Output") for outputs in found.outputs.values()]


@pytest.mark.parametrize(("n", "said"), [(3, "high"), (1, "low")])
def test_one_of_the_branches_is_handed_on(argo: Argo, n: int, said: str) -> None:
    found = argo.ended("one_of", n=n)
    assert found.phase == "Succeeded", found
    assert [
        outputs["Output"] for task, outputs in found.outputs.items() if "condition" not in task and "say" in task
    ] == [said]


def test_artifacts_and_their_metadata_come_out_of_nested_pipelines(argo: Argo) -> None:
    found = argo.ended("nested")
    assert found.phase == "Succeeded", found
    assert (found.told("read"), found.told("read-2")) == ("tideTIDE", "millMILL")
    assert found.told("say") == "! and ?"
    assert found.told("inner/write", "length") == 4
    assert found.told("inner/write", "flag") is True


def test_a_loop_runs_its_body_for_each_item(argo: Argo) -> None:
    found = argo.ended("loops")
    assert found.phase == "Succeeded", found
    assert sorted(o["Output"] for task, o in found.outputs.items() if "read" in task) == ["aA", "bB", "cC"]
    assert [o["Output"] for task, o in found.outputs.items() if "for-loop-1" in task and "say" in task] == ["b"]
    rest = [o["Output"] for task, o in found.outputs.items() if "for-loop-1" not in task]
    assert sorted(rest) == ["w", "x", "y", "z"]


def test_any_value_arrives_as_it_was(argo: Argo) -> None:
    found = argo.ended("values")
    assert found.phase == "Succeeded", found
    assert found.told("say-2") == found.told("say") == small_pipelines.NASTY.replace("\n", "")
    assert found.told("echo") == {"given": {"a": {"b": [1, 2.5, True]}}, "text": small_pipelines.NASTY, "missing": None}


def test_a_container_component_runs_as_it_is(argo: Argo) -> None:
    found = argo.ended("settings")
    assert found.phase == "Succeeded", found
    assert found.told("shell", "out") == "--text=hi --all\n"
    assert found.told("shell-2", "out") == "--text=hi -n 2\n"
