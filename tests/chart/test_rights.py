"""What the control plane may do: what its code asks for, where it asks, and nothing beside it."""

from __future__ import annotations

import pytest
from chart_tools import CHART, render
from rights import Rights

KUBEFLOW, ARGO, PRODUCTION = (CHART / "ci" / f"{name}-values.yaml" for name in ("kubeflow", "argo", "production"))
NAMESPACES = ("models", "shop", "argo", "kubeflow", "other")
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
        (("scope=cluster",), set(NAMESPACES)),
        (("scope=cluster", "pipelines.argo.namespace=argo"), {"argo"}),
    ],
)
def test_the_controller_may_make_workflows_where_they_are_made(options: tuple[str, ...], made: set[str]) -> None:
    rights = Rights(render(ARGO, *(f"--set={option}" for option in options)))
    assert where(rights, "create", "workflows.argoproj.io") == made
    for namespace in made:
        for verb, resource in WORKFLOWS:
            assert rights.may("tidemill", verb, resource, namespace), (verb, resource)
