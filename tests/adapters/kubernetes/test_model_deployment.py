"""What is applied for a version, without a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.adapters.kubernetes.model_deployment import ModelServing, endpoint, model_objects, object_name
from tidemill.adapters.step_settings import SecretEnv
from tidemill.loop.model import ModelVersion

VERSION = ModelVersion("7", "s3://b/ns/delay/models/t-challenger", "sha256:1", "t")
OWNER = {"apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelLoop", "name": "delay", "uid": "u"}


def objects(**settings: Any) -> dict[str, dict[str, Any]]:
    made = model_objects("delay", "ns", VERSION, ModelServing("image:1", **settings), OWNER)
    return {document["kind"]: document for document in made}


def pod(**settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = objects(**settings)["Deployment"]["spec"]["template"]["spec"]
    return found


def test_a_version_is_a_deployment_a_service_a_budget_and_an_autoscaler_of_one_name() -> None:
    made = objects()
    assert list(made) == ["Service", "Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler"]
    for document in made.values():
        meta = document["metadata"]
        assert (meta["name"], meta["namespace"]) == ("delay-v7", "ns")
        assert meta["labels"]["tidemill.dev/loop"] == "delay"
        assert meta["labels"]["tidemill.dev/version"] == "7"
        assert meta["labels"]["app.kubernetes.io/managed-by"] == "tidemill"
        assert [owner["uid"] for owner in meta["ownerReferences"]] == ["u"]
    chosen = made["Service"]["spec"]["selector"]
    assert chosen.items() <= made["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert chosen == made["Deployment"]["spec"]["selector"]["matchLabels"]
    assert endpoint("delay", "7", "ns") == "http://delay-v7.ns.svc:8080"


def test_pods_may_run_where_the_restricted_standard_is_enforced() -> None:
    spec = pod()
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["automountServiceAccountToken"] is False
    [container] = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert container["resources"]["limits"]["memory"]


def test_of_a_secret_a_pod_gets_the_keys_that_are_named_and_no_others() -> None:
    secrets = (SecretEnv("store", ("KEY_ID", "KEY")),)
    [container] = pod(secrets=secrets, environment={"AWS_ENDPOINT_URL": "http://s3", "KEY": "plain"})["containers"]
    assert "envFrom" not in container
    environment = {entry["name"]: entry for entry in container["env"]}
    for key in ("KEY_ID", "KEY"):
        assert environment[key] == {"name": key, "valueFrom": {"secretKeyRef": {"name": "store", "key": key}}}
    assert environment["AWS_ENDPOINT_URL"]["value"] == "http://s3"
    assert environment["TIDEMILL_MODEL_DIGEST"]["value"] == "sha256:1"


def test_no_secret_says_what_is_served() -> None:
    [container] = pod(secrets=(SecretEnv("store", ("TIDEMILL_MODEL_URI",)),))["containers"]
    assert [entry for entry in container["env"] if entry["name"] == "TIDEMILL_MODEL_URI"] == [
        {"name": "TIDEMILL_MODEL_URI", "value": VERSION.uri}
    ]


def test_a_secret_of_which_no_key_is_named_is_given_whole() -> None:
    [container] = pod(secrets=(SecretEnv("store"),))["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "store"}}]


def test_a_pod_has_time_to_answer_on_after_it_was_asked_to_end() -> None:
    spec = pod(drain_seconds=40)
    assert spec["terminationGracePeriodSeconds"] > 40
    assert {"name": "TIDEMILL_DRAIN_SECONDS", "value": "40"} in spec["containers"][0]["env"]


def test_either_the_autoscaler_or_the_deployment_says_how_many() -> None:
    assert "replicas" not in objects(least=2, most=5)["Deployment"]["spec"]
    fixed = objects(least=2, most=2)
    assert fixed["Deployment"]["spec"]["replicas"] == 2
    assert "HorizontalPodAutoscaler" not in fixed


@pytest.mark.parametrize(
    ("loop", "version"),
    [("l" * 63, "7"), ("3d-prints", "1"), ("delay", "V.1_x"), ("delay", "9" * 80), ("a-" * 31 + "a", "1")],
)
def test_any_loop_and_version_has_a_name_that_a_service_may_have(loop: str, version: str) -> None:
    import re

    name = object_name(loop, version)
    assert len(name) <= 63
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
    assert name != object_name(loop, version + "0")
    labels = model_objects(loop, "ns", ModelVersion(version, "", "", ""), ModelServing("i"))[0]["metadata"]["labels"]
    assert all(re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value) for value in labels.values())
