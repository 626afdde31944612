"""What is uploaded to a Kubeflow Pipelines server: the compiled pipeline with one loop's image and settings in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tidemill.adapters.kubeflow.package import package, version_of
from tidemill.adapters.local.pipelines import compiled
from tidemill.adapters.step_settings import SecretEnv, StepSettings, TaskSettings
from tidemill.loop.errors import TidemillError

SETTINGS = StepSettings(
    namespace="kubeflow",
    image="registry.example/flights:7",
    env={"AWS_ENDPOINT_URL": "http://store:9000"},
    secrets=(SecretEnv("storage", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),),
    resources={"requests": {"cpu": "100m", "memory": "256Mi"}},
    node_selector={"pool": "batch"},
    tasks={
        "train": TaskSettings(
            resources={"limits": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}},
            node_selector={"gpu": "a100"},
            secrets=(SecretEnv("licence", ("LICENCE_KEY",)),),
        )
    },
)


def documents(settings: StepSettings) -> tuple[dict[str, Any], dict[str, Any]]:
    ir, platform = yaml.safe_load_all(package(compiled("training"), settings))
    return ir["deploymentSpec"]["executors"], platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_every_step_runs_in_the_loops_image_with_its_environment_and_secrets() -> None:
    executors, platform = documents(SETTINGS)
    assert set(executors) == set(platform)
    for label, executor in executors.items():
        assert executor["container"]["image"] == "registry.example/flights:7"
        assert {"name": "AWS_ENDPOINT_URL", "value": "http://store:9000"} in executor["container"]["env"]
        secret = platform[label]["secretAsEnv"][0]
        assert secret["secretName"] == "storage"
        assert secret["keyToEnv"][0] == {"secretKey": "AWS_ACCESS_KEY_ID", "envVar": "AWS_ACCESS_KEY_ID"}
        assert platform[label]["nodeSelector"]["labels"]["pool"] == "batch"


def test_a_step_gets_its_own_node_and_secrets_besides() -> None:
    _, platform = documents(SETTINGS)
    assert platform["exec-train"]["nodeSelector"] == {"labels": {"pool": "batch", "gpu": "a100"}}
    assert [secret["secretName"] for secret in platform["exec-train"]["secretAsEnv"]] == ["storage", "licence"]
    assert [secret["secretName"] for secret in platform["exec-ingest"]["secretAsEnv"]] == ["storage"]


def test_only_what_servers_from_2_0_on_read_is_written() -> None:
    _, platform = documents(SETTINGS)
    assert "secretNameParameter" not in str(platform)


def test_kfp_kubernetes_reads_what_is_written() -> None:
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2 as pb

    for config in documents(SETTINGS)[1].values():
        read = json_format.ParseDict(config, pb.KubernetesExecutorConfig())
        assert read.secret_as_env[0].secret_name == "storage"


def test_a_steps_own_resources_go_before_those_of_all() -> None:
    executors, _ = documents(SETTINGS)
    assert executors["exec-train"]["container"]["resources"] == {
        "cpuRequest": 0.1,
        "resourceCpuRequest": "100m",
        "memoryRequest": pytest.approx(0.268435456),
        "resourceMemoryRequest": "256Mi",
        "cpuLimit": 2.0,
        "resourceCpuLimit": "2",
        "memoryLimit": pytest.approx(4.294967296),
        "resourceMemoryLimit": "4Gi",
        "accelerator": {
            "count": "1",
            "resourceCount": "1",
            "type": "nvidia.com/gpu",
            "resourceType": "nvidia.com/gpu",
        },
    }
    assert executors["exec-ingest"]["container"]["resources"]["resourceCpuRequest"] == "100m"


def test_the_same_content_is_the_same_version_and_other_content_another() -> None:
    first, again = package(compiled("training"), SETTINGS), package(compiled("training"), SETTINGS)
    assert version_of(first) == version_of(again)
    assert version_of(first) != version_of(package(compiled("training"), replace(SETTINGS, image="other:1")))


def test_a_pipelines_own_node_and_secrets_go_before_the_installations(tmp_path: Path) -> None:
    own = {
        "nodeSelector": {"labels": {"pool": "interactive", "zone": "a"}},
        "secretAsEnv": [{"secretName": "mine", "keyToEnv": [{"secretKey": "id", "envVar": "AWS_ACCESS_KEY_ID"}]}],
    }
    [ir] = yaml.safe_load_all(compiled("training").read_text())
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-ingest": own}}}}}
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(yaml.safe_dump_all([ir, platform]))

    _, written = yaml.safe_load_all(package(pipeline, SETTINGS))

    found = written["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-ingest"]
    assert found["nodeSelector"]["labels"] == {"pool": "interactive", "zone": "a"}
    variables = {
        variable["envVar"]: secret["secretName"] for secret in found["secretAsEnv"] for variable in secret["keyToEnv"]
    }
    assert variables == {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "storage"}


def test_without_settings_nothing_is_added() -> None:
    assert len(list(yaml.safe_load_all(package(compiled("training"), StepSettings("kubeflow"))))) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            replace(SETTINGS, tolerations=[{"key": "gpu", "operator": "Exists"}], image_pull_secrets=("registry",)),
            r"tolerations and image pull secrets.*cannot be told",
        ),
        (replace(SETTINGS, secrets=(SecretEnv("storage"),)), r"all keys of Secret storage.*name them in `keys`"),
        (
            replace(SETTINGS, resources={"limits": {"nvidia.com/gpu": "1", "amd.com/gpu": "1"}}),
            r"Step \w+ is given nvidia.com/gpu: 1 and amd.com/gpu: 1\..*one resource",
        ),
        (
            replace(SETTINGS, resources={"limits": {"ephemeral-storage": "2Gi"}}),
            r"ephemeral-storage: 2Gi.*whole number",
        ),
        (
            replace(SETTINGS, resources={"limits": {"memory": "much"}}),
            r"limits.memory of step \w+ cannot be read: 'much'",
        ),
    ],
)
def test_what_a_server_cannot_be_told_is_refused(settings: StepSettings, said: str) -> None:
    with pytest.raises(TidemillError, match=said):
        package(compiled("training"), settings)


def test_a_number_that_the_installations_values_give_is_taken() -> None:
    executors, _ = documents(replace(SETTINGS, resources={"requests": {"cpu": 1, "memory": 1000000000}}))  # type: ignore[dict-item]
    found = executors["exec-ingest"]["container"]["resources"]
    assert (found["cpuRequest"], found["resourceCpuRequest"], found["memoryRequest"]) == (1.0, "1", 1.0)
