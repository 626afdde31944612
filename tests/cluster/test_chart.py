"""The chart on a real cluster: installed, tested, upgraded, uninstalled; the API server is asked about every set."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chart_release import DOCUMENT, LOOP, NAME, Release, release, until
from chart_tools import CHART, VALUES, render
from cluster_world import KUBECONFIG, kubectl

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]
# The chart that is upgraded: that of the last release, where there is one.
PREVIOUS = Path(os.environ.get("E2E_PREVIOUS_CHART", CHART))
LABELS = {"outcomes": [{"key": "v1", "label": 1}, {"key": "v2", "label": 0}]}


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_api_server_takes_every_set_of_values(values: Path) -> None:
    kinds = kubectl("api-resources", "--api-group=monitoring.coreos.com", "-o", "name")
    objects = [one for one in render(values) if kinds or not one["apiVersion"].startswith("monitoring.coreos.com")]
    for one in objects:
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = "default"  # theirs are not here
    command = ["kubectl", "-n", "default", "apply", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = subprocess.run(command, input=yaml.safe_dump_all(objects), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(server dry run)") == len(objects)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    with release(tmp_path_factory.mktemp("chart")) as made:
        made.bring(PREVIOUS)
        yield made


def test_helm_test_finds_it_well(installed: Release) -> None:
    assert "Phase:          Succeeded" in installed.helm("test", NAME, "--timeout", "4m")
    assert installed.kubectl("get", "pods", "-l", "app.kubernetes.io/component in (test, crds)", "-o", "name") == ""


def test_an_upgrade_keeps_the_state(installed: Release) -> None:
    installed.apply(DOCUMENT)
    with installed.server() as server:
        until(lambda: server.get(f"/loops/{LOOP}").is_success, 120)
        assert server.post(f"/loops/{LOOP}/outcomes", json=LABELS).json()["new"] == 2
        before = server.get(f"/loops/{LOOP}/history").json()["entries"]
    pods = installed.kubectl("get", "pods", "-l", "app.kubernetes.io/component=control-plane", "-o", "name")

    installed.bring(CHART, "--set", "controlPlane.every=6s")
    after = installed.kubectl("get", "pods", "-l", "app.kubernetes.io/component=control-plane", "-o", "name")
    assert pods != after, "the upgrade changed nothing"
    with installed.server() as server:
        assert server.post(f"/loops/{LOOP}/outcomes", json=LABELS).json() == {
            "new": 0, "duplicate": 2, "conflicting": 0,
        }  # fmt: skip
        assert server.get(f"/loops/{LOOP}/history").json()["entries"][: len(before)] == before
    assert "Phase:          Succeeded" in installed.helm("test", NAME, "--timeout", "4m")


def test_an_uninstall_leaves_what_it_says_and_nothing_else(installed: Release) -> None:
    installed.kubectl("delete", "modelloops", "--all", "--timeout=90s")
    said = installed.helm("uninstall", NAME, "--wait", "--timeout", "3m")
    claims = {f"persistentvolumeclaim/{NAME}-state", f"persistentvolumeclaim/{NAME}-mlflow"}
    assert all(f"{name}" in said for name in (f"{NAME}-state", f"{NAME}-mlflow"))
    until(lambda: found_in(installed.namespace) == claims, 90)
    for kind in ("clusterroles", "clusterrolebindings"):
        found = json.loads(kubectl("get", kind, "-o", "json"))["items"]
        assert [one["metadata"]["name"] for one in found if installed.namespace in one["metadata"]["name"]] == []
    assert len(kubectl("get", "-o", "name", "-f", str(CHART / "crds")).split()) == 2


def found_in(namespace: str) -> set[str]:
    """What is in the namespace, but for what was there before the installation, or is the cluster's own."""
    listed = kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    kinds = ",".join(kind for kind in listed if not kind.startswith("events") and "metrics.k8s.io" not in kind)
    names = set(kubectl("-n", namespace, "get", kinds, "-o", "name", "--ignore-not-found").split())
    here = {"configmap/kube-root-ca.crt", "secret/tidemill-storage", "serviceaccount/default"}
    return names - here - {name for name in names if name.endswith("/somebody")}
