"""What a loop's steps and versions are given on a cluster: the Profile's, and before these the loop's own."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from loops import LOOP
from tidemill.controller.place import model_serving, step_settings
from tidemill.spec.model_loop import ModelLoop
from tidemill.spec.profile import Pods

GOOD = yaml.safe_load(LOOP)
PODS = Pods.model_validate(
    {
        "image": "tidemill/components:1",
        "env": {"AWS_ENDPOINT_URL": "http://store:9000"},
        "secrets": [{"name": "storage"}],
        "nodeSelector": {"pool": "batch"},
        "resources": {"requests": {"cpu": "50m"}},
    }
)


def loop(resources: dict[str, Any], image: str | None = None) -> ModelLoop:
    document: dict[str, Any] = {**GOOD, "spec": {**GOOD["spec"], "resources": resources}}
    if image is not None:
        document["spec"]["model"] = {**GOOD["spec"]["model"], "image": image}
    return ModelLoop.model_validate(document)


def test_a_steps_needs_become_requests_limits_nodes_and_secrets() -> None:
    needs = {
        "every": {"memory": "512Mi"},
        "train": {
            "cpu": 2,
            "memory": "4Gi",
            "gpu": {"count": 1},
            "nodeSelector": {"gpu": "a100"},
            "secrets": [{"name": "licence", "keys": ["KEY"]}],
        },
    }
    settings = step_settings(PODS, loop(needs), "kubeflow")
    train, ingest = settings.of("train"), settings.of("ingest")
    assert train.resources == {
        "limits": {"memory": "4Gi", "nvidia.com/gpu": "1"},
        "requests": {"cpu": "2", "memory": "4Gi"},
    }
    assert ingest.resources == {"limits": {"memory": "512Mi"}, "requests": {"cpu": "50m", "memory": "512Mi"}}
    assert train.node_selector == {"pool": "batch", "gpu": "a100"}
    assert [secret.secret for secret in train.secrets] == ["storage", "licence"]


def test_a_loops_own_image_trains_and_serves_it() -> None:
    mine = loop({}, "registry.example/visits:3")
    assert step_settings(PODS, mine, "kubeflow").image == "registry.example/visits:3"
    assert model_serving(PODS, mine).image == "registry.example/visits:3"
    assert step_settings(PODS, loop({}), "kubeflow").image == "tidemill/components:1"


@pytest.mark.parametrize("wrong", ["4 GB", "-1", "lots", 2.5, True])
def test_a_quantity_is_as_kubernetes_has_it(wrong: Any) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        loop({"train": {"memory": wrong}})
