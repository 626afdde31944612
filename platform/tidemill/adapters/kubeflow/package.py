"""What is uploaded: the compiled pipeline, with image, environment and resources of one loop written into it.

Only what every release from 2.0 on reads is written: settings of kfp-kubernetes in their first form (`secretName`, not
`secretNameParameter`), which newer servers read as well. What release 2.0 cannot be told is refused here: its driver
would fail, or drop it without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tidemill.adapters.kubeflow.quantities import cores, gigabytes
from tidemill.adapters.step_settings import StepSettings, TaskSettings
from tidemill.loop.errors import TidemillError

_EXECUTOR = "exec-"


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
            _add(given.setdefault("executors", {}).setdefault(label, {}), config)
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
            f"Steps are given {' and '.join(named)}, which Kubeflow Pipelines 2.0 cannot be told. Set them on "
            "the namespace or its service account instead, or run the steps with Argo Workflows."
        )


def _container(container: dict[str, Any], task: str, settings: StepSettings) -> None:
    container["image"] = settings.image_of(container["image"])
    ours = [{"name": name, "value": value} for name, value in sorted(settings.env.items())]
    named = {entry["name"] for entry in container.get("env", [])}  # what the pipeline says for itself goes before
    env = [*container.get("env", []), *(entry for entry in ours if entry["name"] not in named)]
    if env:
        container["env"] = env
    resources = {**_resources(settings.of(task).resources, task), **container.get("resources", {})}
    if resources:
        container["resources"] = resources


def _resources(chosen: Mapping[str, Mapping[str, Any]], task: str) -> dict[str, Any]:
    """Numbers for servers before 2.5, exact quantities for those after: kfp writes both as well."""
    found: dict[str, Any] = {}
    others: dict[str, str] = {}
    for kind, suffix in (("requests", "Request"), ("limits", "Limit")):
        for name, value in chosen.get(kind, {}).items():
            try:
                if name == "cpu":
                    found[f"cpu{suffix}"], found[f"resourceCpu{suffix}"] = cores(value), str(value)
                elif name == "memory":
                    found[f"memory{suffix}"], found[f"resourceMemory{suffix}"] = gigabytes(value), str(value)
                else:
                    others[name] = str(value)
            except ValueError as error:
                raise TidemillError(f"{kind}.{name} of step {task} cannot be read: {error}.") from error
    return found if not others else {**found, "accelerator": _accelerator(others, task)}


def _accelerator(wanted: Mapping[str, str], task: str) -> dict[str, str]:
    """The one resource besides CPU and memory that such a server knows, as a whole number."""
    (name, count), *more = wanted.items()
    if more or not count.isdecimal():
        said = " and ".join(f"{name}: {count}" for name, count in wanted.items())
        raise TidemillError(
            f"Step {task} is given {said}. Besides cpu and memory, Kubeflow Pipelines can be told a whole number of "
            "one resource. Take the rest out of the resources, or run the steps with Argo Workflows."
        )
    return {"count": count, "resourceCount": count, "type": name, "resourceType": name}


def _kubernetes(executors: Mapping[str, Any], settings: StepSettings) -> dict[str, dict[str, Any]]:
    containers = (label for label, executor in executors.items() if "container" in executor)
    told = {label: _told(settings.of(label.removeprefix(_EXECUTOR))) for label in containers}
    return {label: config for label, config in told.items() if config}


def _add(own: dict[str, Any], config: Mapping[str, Any]) -> None:
    """Adds an installation's settings to an executor's own. What the pipeline says for itself goes before."""
    if "secretAsEnv" in config:
        theirs = own.get("secretAsEnv", [])
        named = {variable["envVar"] for secret in theirs for variable in secret.get("keyToEnv", [])}
        ours = (
            {**secret, "keyToEnv": [variable for variable in secret["keyToEnv"] if variable["envVar"] not in named]}
            for secret in config["secretAsEnv"]
        )
        own["secretAsEnv"] = [*theirs, *(secret for secret in ours if secret["keyToEnv"])]
    if "nodeSelector" in config:
        selector = own.setdefault("nodeSelector", {})
        selector["labels"] = {**config["nodeSelector"]["labels"], **selector.get("labels", {})}


def _told(task: TaskSettings) -> dict[str, Any]:
    config: dict[str, Any] = {}
    whole = [secret.secret for secret in task.secrets if not secret.keys]
    if whole:
        raise TidemillError(
            f"Steps are given all keys of Secret {' and '.join(whole)}. Kubeflow Pipelines must be told which: name "
            "them in `keys`."
        )
    if task.secrets:
        config["secretAsEnv"] = [
            {"secretName": secret.secret, "keyToEnv": [{"secretKey": key, "envVar": key} for key in secret.keys]}
            for secret in task.secrets
        ]
    if task.node_selector:
        config["nodeSelector"] = {"labels": dict(task.node_selector)}
    return config
