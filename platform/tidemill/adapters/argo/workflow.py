"""The Workflow around the templates: Pods that satisfy the restricted Pod Security Standard, deadline, clean-up."""

from __future__ import annotations

import json
from typing import Any

from tidemill.adapters.argo.models import argo_models
from tidemill.adapters.argo.run import Run
from tidemill.adapters.step_settings import StepSettings

# Argo's own containers, which its installation may leave without any of this.
_OWN = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "runAsUser": 8737,  # as its image is built
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
}
_PATCH = {"initContainers": [{"name": "init", **_OWN}], "containers": [{"name": "wait", **_OWN}]}


def workflow(
    run: Run,
    entrypoint: str,
    parameters: list[dict[str, Any]],
    templates: list[dict[str, Any]],
    settings: StepSettings,
) -> dict[str, Any]:
    """Checked field by field by hera's model of Argo's API: a field that Argo has not is an error here."""
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if settings.run_as_user is not None:
        security["runAsUser"] = settings.run_as_user
    spec: dict[str, Any] = {
        "entrypoint": entrypoint,
        "arguments": {"parameters": parameters},
        "templates": templates,
        "activeDeadlineSeconds": max(1, round(run.timeout)),
        "ttlStrategy": {"secondsAfterCompletion": settings.ttl},
        "securityContext": security,
        "podMetadata": {"labels": run.labels},
        "podSpecPatch": json.dumps(_PATCH, separators=(",", ":")),
        "volumes": [{"name": "scratch", "emptyDir": {}}, *settings.volumes],
        "nodeSelector": dict(settings.node_selector) or None,
        "tolerations": list(settings.tolerations) or None,
        "serviceAccountName": settings.service_account or None,
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets] or None,
    }
    made = argo_models().Workflow.model_validate(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {
                "name": run.name,
                "namespace": settings.namespace,
                "labels": run.labels,
                "annotations": run.annotations,
            },
            "spec": spec,
        }
    )
    dumped: dict[str, Any] = made.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped
