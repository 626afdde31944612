"""What the accounts of an installation may do on a real cluster: what they need, and nothing beside it."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from chart_tools import CHART, render
from cluster_world import KUBECONFIG, kubectl
from tidemill.adapters.kubernetes.model_deployment import ModelServing, model_objects
from tidemill.loop.model import ModelVersion

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]
KINDS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


@dataclass
class Accounts:
    scope: str
    namespace: str
    release: str

    def may(self, account: str, verb: str, resource: str, namespace: str) -> bool:
        who = f"--as=system:serviceaccount:{self.namespace}:{self.release}{account}"
        kind, _, part = resource.partition("/")  # kubectl would take `pods/log` for a Pod that is called log
        asked = ["kubectl", "auth", "can-i", verb, kind, f"--subresource={part}", who, "-n", namespace]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "yes"


@pytest.fixture(scope="module", params=["namespaced", "cluster"])
def accounts(request: pytest.FixtureRequest) -> Iterator[Accounts]:
    """The accounts and roles alone: a controller for the whole cluster would act for the loops of others."""
    tag = uuid.uuid4().hex[:8]
    name = f"tidemill-rights-{tag}"
    options = [f"--namespace={name}", f"--set=scope={request.param}", "--set=rbac.create=false"]
    objects = render(CHART / "ci" / "argo-values.yaml", *options, release=f"tidemill-{tag}")
    objects = [one for one in objects if one["kind"] in KINDS and "annotations" not in one["metadata"]]
    text = yaml.safe_dump_all(objects)
    kubectl("create", "namespace", name)
    subprocess.run(["kubectl", "-n", name, "apply", "-f", "-"], input=text, text=True, check=True, capture_output=True)
    yield Accounts(request.param, name, f"tidemill-{tag}")
    subprocess.run(
        ["kubectl", "-n", name, "delete", "-f", "-"], input=text, text=True, check=False, capture_output=True
    )
    kubectl("delete", "namespace", name, "--wait=false")


CONTROLLER = [
    ("list", "modelloops.tidemill.dev"), ("watch", "modelloops.tidemill.dev"), ("patch", "modelloops.tidemill.dev"),
    ("patch", "modelloops.tidemill.dev/status"), ("create", "modelrollouts.tidemill.dev"),
    ("patch", "deployments.apps"), ("patch", "services"), ("patch", "configmaps"), ("create", "events"),
    ("patch", "horizontalpodautoscalers.autoscaling"), ("patch", "poddisruptionbudgets.policy"), ("get", "pods/log"),
    ("create", "workflows.argoproj.io"),
    # Whose an object is that has the name which a version's would have.
    ("get", "deployments.apps"), ("get", "services"), ("get", "configmaps"),
    ("get", "horizontalpodautoscalers.autoscaling"), ("get", "poddisruptionbudgets.policy"),
]  # fmt: skip


def test_the_control_plane_can_make_and_remove_what_serves_a_version(accounts: Accounts) -> None:
    version = ModelVersion("7", "file:///models/7", "sha256:7", "turn")
    text = yaml.safe_dump_all(model_objects("delay", accounts.namespace, version, ModelServing("none:1")))
    who = f"--as=system:serviceaccount:{accounts.namespace}:{accounts.release}"
    for command in (["apply", "--server-side"], ["apply", "--server-side"], ["delete", "--wait=false"]):
        done = subprocess.run(
            ["kubectl", *command, who, "-f", "-"], input=text, text=True, check=False, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 4


NOBODY = [
    ("get", "secrets"), ("list", "secrets"), ("create", "pods"), ("create", "pods/exec"), ("create", "rolebindings"),
    ("create", "modelloops.tidemill.dev"), ("delete", "modelloops.tidemill.dev"), ("create", "serviceaccounts"),
    ("update", "customresourcedefinitions.apiextensions.k8s.io"), ("create", "serviceaccounts/token"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "resource"), CONTROLLER)
def test_the_control_plane_may_do_its_work_where_its_loops_are(accounts: Accounts, verb: str, resource: str) -> None:
    assert accounts.may("", verb, resource, accounts.namespace)
    assert accounts.may("", verb, resource, "default") == (accounts.scope == "cluster")


@pytest.mark.parametrize(("verb", "resource"), NOBODY)
def test_none_of_them_may_do_anything_else(accounts: Accounts, verb: str, resource: str) -> None:
    for account in ("", "-gateway", "-steps"):
        assert not accounts.may(account, verb, resource, accounts.namespace), account


def test_the_server_may_have_tokens_and_access_reviewed(accounts: Accounts) -> None:
    for review in ("tokenreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io"):
        assert accounts.may("", "create", review, accounts.namespace)
        assert not accounts.may("-gateway", "create", review, accounts.namespace)


def test_the_gateway_reads_routes_and_hands_labels_on(accounts: Accounts) -> None:
    outcomes = "modelloops.tidemill.dev/outcomes"
    for verb, resource, allowed in [
        ("watch", "configmaps", True), ("create", outcomes, True), ("patch", "configmaps", False),
        ("list", "modelloops.tidemill.dev", False), ("list", "pods", False),
    ]:  # fmt: skip
        assert accounts.may("-gateway", verb, resource, accounts.namespace) == allowed, (verb, resource)
        assert accounts.may("-gateway", verb, resource, "default") == (allowed and accounts.scope == "cluster")


def test_steps_may_report_to_argo_and_nothing_else(accounts: Accounts) -> None:
    results = "workflowtaskresults.argoproj.io"
    assert [verb for verb in ("create", "patch", "get", "list", "delete")
            if accounts.may("-steps", verb, results, accounts.namespace)] == ["create", "patch"]  # fmt: skip
    assert not accounts.may("-steps", "create", results, "default")
