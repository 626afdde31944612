"""The chart's admission policies on a real API server: a name on a ModelRollout is that of the user who wrote it."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_world import KUBECONFIG, kubectl
from tidemill.controller.asked_by import BY, asked_by, managers_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]

CHART = Path(__file__).parents[2] / "charts" / "tidemill"
ADMISSION = "admissionregistration.k8s.io"
SPEC = {"loop": "l", "challenger": "2", "champion": "1", "turn": "t", "steps": [{"shadow": "100%", "minOutcomes": 5}]}

Patch = Callable[..., str]


def mutating() -> list[str]:
    """The versions in which the cluster may change requests by a policy; Kubernetes 1.34 has none by default."""
    served = [version for version in kubectl("api-versions").split() if version.startswith(ADMISSION)]
    return [one for one in served if "MutatingAdmissionPolicy" in kubectl("get", "--raw", f"/apis/{one}")]


def writes_names() -> bool:
    return bool(mutating())


@pytest.fixture(scope="module")
def team() -> Iterator[str]:
    """A namespace in a cluster with the policies, where ann and bob may do everything."""
    capabilities = [f"--api-versions={version}/MutatingAdmissionPolicy" for version in mutating()]
    options = ("-f", str(CHART / "ci/kubeflow-values.yaml"), "-s=templates/asked-by.yaml", "--kube-version=1.34.0")
    made = subprocess.run(
        ["helm", "template", "t", str(CHART), *options, *capabilities], check=True, capture_output=True, text=True
    ).stdout
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    kubectl("apply", "-f", str(CHART / "crds"))
    apply(made)
    kubectl("create", "namespace", name)
    kubectl("create", "rolebinding", "team", "-n", name, "--clusterrole=admin", "--user=ann", "--user=bob")
    role = {"apiGroups": ["tidemill.dev"], "resources": ["modelrollouts"], "verbs": ["*"]}
    meta = {"name": "rollouts", "namespace": name}
    apply(json.dumps({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": [role]}))
    kubectl("create", "rolebinding", "rollouts", "-n", name, "--role=rollouts", "--user=ann", "--user=bob")
    try:
        in_force(name)
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")
        subprocess.run(["kubectl", "delete", "-f", "-"], input=made, check=False, capture_output=True, text=True)


def in_force(namespace: str) -> None:
    """Waits for the API server to follow the policies."""
    command = ["kubectl", "create", "--dry-run=server", "-o", "json", "-f", "-"]

    def created(annotations: dict[str, str]) -> subprocess.CompletedProcess[str]:
        meta = {"name": "probe", "namespace": namespace, "annotations": annotations}
        spec = {**SPEC, "paused": True}
        probe = json.dumps(
            {"apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelRollout", "metadata": meta, "spec": spec}
        )
        return subprocess.run(command, input=probe, check=False, capture_output=True, text=True)

    end = time.monotonic() + 30
    while created({BY["abort"]: "nobody"}).returncode == 0 or (
        writes_names() and BY["paused"] not in created({}).stdout
    ):
        assert time.monotonic() < end, "the policies are not in force"
        time.sleep(0.3)


@pytest.fixture
def patch(team: str) -> Patch:
    """Patches a fresh ModelRollout as a user; the answer's error, or nothing."""
    name = f"r-{uuid.uuid4().hex[:6]}"
    meta = {"name": name, "namespace": team}
    apply(json.dumps({"apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelRollout", "metadata": meta, "spec": SPEC}))

    def patched(user: str = "", annotation: dict[str, str | None] | None = None, **spec: bool) -> str:
        document = {"metadata": {"annotations": annotation or {}}, "spec": spec}
        command = ["kubectl", "-n", team, f"--as={user}", "patch", "modelrollout", name, "--type=merge", "-p"]
        done = subprocess.run([*command, json.dumps(document)], check=False, capture_output=True, text=True)
        return done.stderr

    patched.body = lambda: json.loads(  # type: ignore[attr-defined]
        kubectl("-n", team, "get", "modelrollout", name, "-o", "json", "--show-managed-fields")
    )
    return patched


def apply(document: str) -> None:
    subprocess.run(["kubectl", "apply", "-f", "-"], input=document, check=True, capture_output=True, text=True)


def who(patch: Any, switch: str) -> str:
    body = patch.body()
    return asked_by({**body, "managers": managers_of(body)}, switch, named=True)[0]


def test_a_plain_patch_is_never_refused_and_is_named_as_far_as_the_cluster_can(patch: Patch) -> None:
    assert patch("ann", abort=True) == ""
    assert who(patch, "abort") == ("ann" if writes_names() else "a user of kubectl-patch")


def test_who_writes_their_own_name_is_named(patch: Patch) -> None:
    assert patch("bob", {BY["paused"]: "bob"}, paused=True) == ""
    assert who(patch, "paused") == "bob"


def test_nobody_is_named_by_another(patch: Patch) -> None:
    refused = patch("bob", {BY["abort"]: "ann"}, abort=True)
    assert "may be bob, or taken out" in refused if not writes_names() else refused == ""
    assert who(patch, "abort") != "ann"


def test_nobody_names_themselves_for_what_somebody_else_did(patch: Patch) -> None:
    assert patch("ann", {BY["abort"]: "ann"}, abort=True) == ""
    assert "left as it is" in patch("bob", {BY["abort"]: "bob"})
    assert who(patch, "abort") == "ann"


def test_nobodys_name_is_put_there_before_the_switch_is_changed(patch: Patch) -> None:
    assert "left as it is" in patch("ann", {BY["abort"]: "ann"})
    assert patch("bob", {BY["abort"]: "bob"}, abort=True) == ""
    assert who(patch, "abort") == "bob"


def test_an_older_name_does_not_stand_for_a_new_change(patch: Patch) -> None:
    assert patch("bob", {BY["paused"]: "bob"}, paused=True) == ""
    refused = patch("ann", paused=False)
    if writes_names():
        assert (refused, who(patch, "paused")) == ("", "ann")
        return
    assert "may be ann, or taken out" in refused
    assert patch("ann", {BY["paused"]: None}, paused=False) == ""
    assert who(patch, "paused") == "a user of kubectl-patch"
