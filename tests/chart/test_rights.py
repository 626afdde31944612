"""What the control plane may do: what its code asks for, where it asks, and nothing beside it."""

from __future__ import annotations

import pytest
from chart_tools import CHART, render
from rights import Rights

KUBEFLOW, ARGO, PRODUCTION = (CHART / "ci" / f"{name}-values.yaml" for name in ("kubeflow", "argo", "production"))
LOOPS = {"models", "shop", "other"}
NAMESPACES = LOOPS | {"argo", "kubeflow"}
WORKFLOWS = [  # adapters/argo/api.py
    *((verb, "workflows.argoproj.io") for verb in ("get", "create", "patch", "delete")),
    ("list", "pods"), ("get", "pods/log"),
]  # fmt: skip


def where(rights: Rights, verb: str, resource: str) -> set[str]:
    return {namespace for namespace in NAMESPACES if rights.may("tidemill", verb, resource, namespace)}


@pytest.mark.parametrize(
    ("options", "made"),
    [
        (("scope=namespaced",), {"models"}),
        (("scope=namespaced", "pipelines.argo.namespace=argo"), {"argo"}),
        (("pipelines.argo.namespace=argo", "pipelines.argo.createRole=false"), set()),
        (("scope=cluster",), NAMESPACES),
        (("scope=cluster", "pipelines.argo.namespace=argo"), {"argo"}),
    ],
)
def test_the_controller_may_make_workflows_where_they_are_made(options: tuple[str, ...], made: set[str]) -> None:
    rights = Rights(render(ARGO, *(f"--set={option}" for option in options)))
    assert where(rights, "create", "workflows.argoproj.io") == made
    for namespace in made:
        for verb, resource in WORKFLOWS:
            assert rights.may("tidemill", verb, resource, namespace), (verb, resource)


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        ((), {"kubeflow"}),
        (("--set=scope=cluster",), {"kubeflow"}),
        (("--set=pipelines.argo.enabled=true",), {"kubeflow"}),
        (("--set=pipelines.kubeflow.userNamespace=shop",), {"shop"}),
        (("--set=pipelines.kubeflow.createRole=false",), set()),
    ],
)
def test_with_kubeflow_no_log_outside_the_runs_namespace_may_be_read(options: tuple[str, ...], runs: set[str]) -> None:
    rights = Rights(render(KUBEFLOW, *options))
    assert where(rights, "get", "pods/log") == runs
    assert where(rights, "list", "workflows.argoproj.io") == runs
    assert where(rights, "create", "workflows.argoproj.io") == set()


MADE = [  # adapters/kubernetes/deployment_serving.py
    *((verb, "deployments.apps") for verb in ("get", "list", "create", "patch", "delete")),
    *((verb, kind) for verb in ("create", "patch", "delete") for kind in (
        "configmaps", "services", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy",
    )),
    ("get", "configmaps"), ("list", "pods"), ("create", "events.events.k8s.io"),
]  # fmt: skip
KEPT = [
    *((verb, "modelloops.tidemill.dev") for verb in ("get", "list", "watch", "patch")),
    *((verb, "modelrollouts.tidemill.dev") for verb in ("get", "list", "watch", "create", "patch", "delete")),
    ("patch", "modelloops.tidemill.dev/status"), ("patch", "modelrollouts.tidemill.dev/status"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "kept", "made"),
    [
        (("scope=namespaced",), {"models"}, {"models"}),
        (("scope=namespaced", "loopNamespaces={shop}"), {"models"}, {"models"}),
        (("scope=cluster",), LOOPS, LOOPS),
        (("scope=cluster", "loopNamespaces={shop}"), LOOPS, {"models", "shop"}),
    ],
)
def test_where_the_loops_namespaces_are_named_nothing_is_made_elsewhere(
    options: tuple[str, ...], kept: set[str], made: set[str]
) -> None:
    for values in (KUBEFLOW, ARGO):
        rights = Rights(render(values, *(f"--set={option}" for option in options)))
        for verb, resource in KEPT:
            assert where(rights, verb, resource) & LOOPS == kept, (verb, resource)
        for verb, resource in MADE:
            assert where(rights, verb, resource) & LOOPS == made, (verb, resource)
