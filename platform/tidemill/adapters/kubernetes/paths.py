"""Where objects are on an API server."""

from __future__ import annotations

from urllib.parse import quote

_PLURALS = {
    "ConfigMap": "configmaps",
    "CustomResourceDefinition": "customresourcedefinitions",
    "Deployment": "deployments",
    "Event": "events",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "ModelLoop": "modelloops",
    "ModelRollout": "modelrollouts",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Secret": "secrets",
    "Service": "services",
    "SubjectAccessReview": "subjectaccessreviews",
    "TokenReview": "tokenreviews",
    "Workflow": "workflows",
}


def path(version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
    parts = ["api" if "/" not in version else "apis", version]
    if namespace is not None:
        parts += ["namespaces", quote(namespace)]
    parts.append(_PLURALS[kind])
    return "/" + "/".join(parts if name is None else [*parts, quote(name)])
