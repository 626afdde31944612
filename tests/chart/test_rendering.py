"""What the chart makes of each set of values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_tools import CHART, VALUES, VERSION, named, pods, ran, refusal, render
from tidemill.spec.profile import Profile

KUBEFLOW, ARGO, PRODUCTION = (CHART / "ci" / f"{name}-values.yaml" for name in ("kubeflow", "argo", "production"))
pytestmark = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


def test_helm_finds_no_fault(values: Path) -> None:
    done = ran("helm", "lint", "--strict", CHART, "-f", values, *VERSION)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_pod_is_restricted(values: Path) -> None:
    """The `restricted` Pod Security Standard, and besides it a root file system that is read-only, and limits."""
    found = pods(render(values))
    assert {name for name, _ in found} >= {"Deployment/tidemill", "Deployment/tidemill-gateway", "Pod/tidemill-test"}
    for name, pod in found:
        assert faults(pod) == [], name


def faults(pod: dict[str, Any]) -> list[str]:
    security = pod["securityContext"]
    wrong = [field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field)]
    wrong += [] if security["runAsNonRoot"] and security["runAsUser"] > 0 else ["runAsNonRoot"]
    wrong += [] if security["seccompProfile"] == {"type": "RuntimeDefault"} else ["seccompProfile"]
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret", "projected"}
    wrong += [volume["name"] for volume in pod.get("volumes", []) if not allowed & set(volume)]
    for container in pod["containers"] + pod.get("initContainers", []):
        rights = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        wrong += [] if container["securityContext"] == rights else [container["name"]]
        wrong += [] if container["resources"]["limits"]["memory"] else ["no limit of memory"]
    return wrong


def test_what_needs_no_api_server_has_no_token(values: Path) -> None:
    for name, pod in pods(render(values)):
        asks = name.rpartition("/")[2] in ("tidemill", "tidemill-gateway", "tidemill-crds")
        assert ("serviceAccountName" in pod, pod.get("automountServiceAccountToken", True)) == (asks, asks), name


def test_the_profile_is_one(values: Path) -> None:
    text = named(render(values), "ConfigMap", "tidemill-profile")["data"]["profile.yaml"]
    profile = Profile.model_validate(yaml.safe_load(text))
    assert (profile.spec.pipelines.kubeflow is None) == (values == ARGO)


def test_no_secret_is_in_what_is_rendered(values: Path) -> None:
    objects = render(values)
    assert [one for one in objects if one["kind"] == "Secret"] == []
    for name, pod in pods(objects):
        for variable in [one for container in pod["containers"] for one in container.get("env") or []]:
            if re.search("(?i)secret|password|access_key", variable["name"]) or "://" in variable.get("value", ""):
                assert not re.search(r"://[^/@]*:[^/@]*@", variable.get("value", "")), (name, variable)
                assert "SECRET" not in variable["name"] or set(variable) == {"name", "valueFrom"}, (name, variable)


def test_objects_are_named_once_and_labelled(values: Path) -> None:
    names = [
        (one["kind"], one["metadata"].get("namespace", "models"), one["metadata"]["name"]) for one in render(values)
    ]
    assert len(names) == len(set(names))
    for one in render(values):
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "tidemill", one["metadata"]


def test_the_schema_refuses_a_typo_in_every_mapping(values: Path) -> None:
    for place in ("", "gateway.", "controlPlane.server.", "pipelines.argo.", "storage.", "monitoring.tokenSecret."):
        assert "additional properties 'typo' not allowed" in refusal("-f", str(values), "--set", f"{place}typo=1")
