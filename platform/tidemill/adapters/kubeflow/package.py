"""What is uploaded: the compiled pipeline, with image, environment and resources of one loop written into it.

Only what every release from 2.0 on reads is written: settings of kfp-kubernetes in their first form (`secretName`, not
`secretNameParameter`), which newer servers read as well. What no form of such a server can say is refused here, since a
server would drop it without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tidemill.adapters.step_settings import StepSettings, TaskSettings
from tidemill.loop.errors import TidemillError

_EXECUTOR = "exec-"
_GB = 10**9
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": _GB, "T": 10**12}


def package(pipeline: Path, settings: StepSettings) -> str:
    """The YAML to upload. The same pipeline and settings give the same text. Raises TidemillError for settings that a
    Kubeflow Pipelines server cannot be told."""
    documents = [document for document in yaml.safe_load_all(pipeline.read_text()) if document]
    ir = documents[0]
    platform: dict[str, Any] = documents[1] if len(documents) > 1 else {}
    _refuse_what_is_lost(settings)
    executors = ir["deploymentSpec"]["executors"]
    for label, executor in executors.items():
        if "container" in executor:
            _container(executor["container"], label.removeprefix(_EXECUTOR), settings)
    told = _kubernetes(executors, settings)
    if told:
        given = platform.setdefault("platforms", {}).setdefault("kubernetes", {}).setdefault("deploymentSpec", {})
        for label, config in told.items():
            given.setdefault("executors", {}).setdefault(label, {}).update(config)
    return yaml.safe_dump_all([ir, *([platform] if platform else [])], sort_keys=True, width=120)


def version_of(text: str) -> str:
    """The version's name: the same content is the same version."""
    return "sha-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _refuse_what_is_lost(settings: StepSettings) -> None:
    lost = {
        "tolerations": settings.tolerations,
        "volumes": settings.volumes,
        "image pull secrets": settings.image_pull_secrets,
    }
    named = [name for name, value in lost.items() if value]
    if named:
        raise TidemillError(
            f"Steps are given {' and '.join(named)}, which Kubeflow Pipelines before 2.4 drops without a word. Set "
            "them on the namespace's service account or nodes instead, or run the steps with Argo Workflows."
        )


def _container(container: dict[str, Any], task: str, settings: StepSettings) -> None:
    container["image"] = settings.image_of(container["image"])
    ours = [{"name": name, "value": value} for name, value in sorted(settings.env.items())]
    named = {entry["name"] for entry in container.get("env", [])}  # what the pipeline says for itself goes before
    env = [*container.get("env", []), *(entry for entry in ours if entry["name"] not in named)]
    if env:
        container["env"] = env
    resources = {**_resources(settings.of(task).resources), **container.get("resources", {})}
    if resources:
        container["resources"] = resources


def _resources(chosen: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Numbers for servers before 2.5, exact quantities for those after: kfp writes both as well."""
    found: dict[str, Any] = {}
    for kind, suffix in (("limits", "Limit"), ("requests", "Request")):
        for name, value in chosen.get(kind, {}).items():
            if name == "cpu":
                found[f"cpu{suffix}"], found[f"resourceCpu{suffix}"] = cores(value), str(value)
            elif name == "memory":
                found[f"memory{suffix}"], found[f"resourceMemory{suffix}"] = gigabytes(value), str(value)
            elif kind == "limits":
                found["accelerator"] = {
                    "count": str(value), "resourceCount": str(value), "type": name, "resourceType": name,
                }  # fmt: skip
    return found


def _kubernetes(executors: Mapping[str, Any], settings: StepSettings) -> dict[str, dict[str, Any]]:
    containers = (label for label, executor in executors.items() if "container" in executor)
    told = {label: _told(settings.of(label.removeprefix(_EXECUTOR))) for label in containers}
    return {label: config for label, config in told.items() if config}


def _told(task: TaskSettings) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if task.secrets:
        config["secretAsEnv"] = [
            {"secretName": secret.secret, "keyToEnv": [{"secretKey": key, "envVar": key} for key in secret.keys]}
            for secret in task.secrets
        ]
    if task.node_selector:
        config["nodeSelector"] = {"labels": dict(task.node_selector)}
    return config


def cores(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def gigabytes(quantity: str) -> float:
    """Of a Kubernetes quantity of memory, in units of 10^9 bytes. Raises ValueError."""
    for unit, size in _UNITS.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * size / _GB
    return float(quantity) / _GB
