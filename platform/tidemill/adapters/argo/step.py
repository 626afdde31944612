"""One executor of the IR as a Workflow template: a Pod with our launcher, which runs the executor's command."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tidemill.adapters.argo.refused import Json, only, refuse
from tidemill.adapters.argo.values import encoded, typed
from tidemill.adapters.kubernetes.variables import plain_variables, secret_variables, whole_secrets
from tidemill.adapters.step_settings import StepSettings, TaskSettings

FOLDER = "tidemill-folder"  # the URI below which a task leaves what it makes: `<root>/condition-1/train`
OUTPUTS = "/tmp/tidemill"  # the launcher's own folder
_WRITABLE = ("/tmp", "/s3", "/gcs", "/minio", "/oci")  # where kfp puts what it names by such URIs
_CONTAINER = ("image", "command", "args", "env", "resources")
_RETRY = ("maxRetryCount", "backoffDuration", "backoffFactor", "backoffMaxDuration")
_RESOURCES = {  # ours of the IR's: the first are exact, the others what kfp wrote before it had those
    "resourceCpuLimit": ("limits", "cpu"),
    "resourceMemoryLimit": ("limits", "memory"),
    "resourceCpuRequest": ("requests", "cpu"),
    "resourceMemoryRequest": ("requests", "memory"),
}
_LEGACY = {"cpuLimit", "memoryLimit", "cpuRequest", "memoryRequest"}


def container(task: str, component: Json, executor: Json, inputs: list[str], settings: StepSettings) -> dict[str, Any]:
    """The template's `container`. `inputs` are the names of the parameters that it takes besides the component's."""
    if "container" not in executor:
        raise refuse(task, f"an executor of the kind `{next(iter(executor))}`")
    only(task, "the executor's kind", executor, ["container"])
    spec = executor["container"]
    only(task, "the container's", spec, _CONTAINER)
    for what in ("image", "env", "resources"):
        if "{{" in json.dumps(spec.get(what, "")):
            raise refuse(task, f"a value of the run in its {what}")
    own = settings.of(task)
    types = {name: p["parameterType"] for name, p in _outputs(component, "parameters").items()}
    return {
        "image": settings.image_of(spec["image"]),
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python3", "-m", "tidemill_components.launch"],
        "args": [
            "--executor_input",
            executor_input(component, inputs),
            "--output_types",
            encoded(types),
            "--folder",
            _tag(FOLDER),
            "--command",
            encoded([*spec.get("command", []), *spec.get("args", [])]),
        ],
        "env": _env(spec.get("env", []), settings, own),
        "envFrom": whole_secrets(own.secrets),
        "resources": _resources(task, spec.get("resources", {}), own),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            *({"name": "scratch", "mountPath": path, "subPath": path.strip("/")} for path in _WRITABLE),
            *settings.volume_mounts,
        ],
    }


def executor_input(component: Json, extra: list[str]) -> str:
    """Kubeflow's executor input, with Argo's tags where the run's values go. An input artifact's place is taken by
    where its description lies; the launcher reads it there."""
    declared = component.get("inputDefinitions", {})
    outputs = {
        "parameters": {name: {"outputFile": f"{OUTPUTS}/outputs/{name}"} for name in _outputs(component, "parameters")},
        "artifacts": {
            name: {"artifacts": [{"uri": f"@/{name}", "name": name, "type": spec["artifactType"], "metadata": {}}]}
            for name, spec in _outputs(component, "artifacts").items()
        },
        "outputFile": f"{OUTPUTS}/executor_output.json",
    }
    made = encoded(outputs).replace('[{"uri":"@/', f'[{{"uri":"{_tag(FOLDER)}/')
    values, artifacts = _object([*declared.get("parameters", {}), *extra]), _object(declared.get("artifacts", {}))
    return f'{{"inputs":{{"parameterValues":{values},"artifacts":{artifacts}}},"outputs":{made}}}'


def _object(names: Iterable[str]) -> str:
    """A JSON object of the template's inputs: each is JSON once Argo has substituted its tag."""
    return "{" + ",".join(f"{encoded(name)}:{_tag(name)}" for name in names) + "}"


def _tag(name: str) -> str:
    return f"{{{{inputs.parameters.{name}}}}}"


def inputs_of(task: str, component: Json, extra: list[str]) -> list[dict[str, Any]]:
    """The template's input parameters, with the defaults that the component has."""
    declared = component.get("inputDefinitions", {})
    parameters: list[dict[str, Any]] = [{"name": FOLDER}]
    for name, spec in {**declared.get("parameters", {}), **declared.get("artifacts", {})}.items():
        parameter = {"name": name}
        if spec.get("isArtifactList"):
            raise refuse(task, f"the list of artifacts `{name}`")
        if "defaultValue" in spec or spec.get("isOptional"):
            parameter["default"] = encoded(typed(spec.get("defaultValue"), spec.get("parameterType", "")))
        parameters.append(parameter)
    return [*parameters, *({"name": name} for name in extra)]


def outputs_of(task: str, component: Json) -> list[dict[str, Any]]:
    """What the launcher leaves in files: a parameter's value, an artifact's description's URI."""
    for name, spec in _outputs(component, "artifacts").items():
        if spec.get("isArtifactList"):
            raise refuse(task, f"the list of artifacts `{name}`")
    names = [*_outputs(component, "parameters"), *_outputs(component, "artifacts")]
    return [{"name": name, "valueFrom": {"path": f"{OUTPUTS}/argo/{name}"}} for name in names]


def retries(task: str, policy: Json) -> dict[str, Any]:
    only(task, "the retry policy's", policy, _RETRY)
    backoff: dict[str, Any] = {"duration": policy.get("backoffDuration", "0s")}
    if "backoffFactor" in policy:
        backoff["factor"] = f"{policy['backoffFactor']:g}"
    if "backoffMaxDuration" in policy:
        backoff["maxDuration"] = policy["backoffMaxDuration"]
    return {"limit": str(policy["maxRetryCount"]), "retryPolicy": "Always", "backoff": backoff}


def _outputs(component: Json, kind: str) -> dict[str, Any]:
    return dict(component.get("outputDefinitions", {}).get(kind, {}))


def _env(compiled: list[dict[str, str]], settings: StepSettings, own: TaskSettings) -> list[dict[str, Any]]:
    """The step's own variables go before the installation's."""
    given = plain_variables({"HOME": "/tmp", **settings.env})  # the image's own home may not be writable
    steps = {entry["name"]: dict(entry) for entry in compiled}
    return [*{**given, **secret_variables(own.secrets), **steps}.values()]


def _resources(task: str, compiled: Json, own: TaskSettings) -> dict[str, dict[str, str]]:
    only(task, "the resource", compiled, [*_RESOURCES, *_LEGACY, "accelerator"])
    resources: dict[str, dict[str, str]] = {kind: dict(own.resources.get(kind, {})) for kind in ("requests", "limits")}
    for name, (kind, resource) in _RESOURCES.items():
        if name in compiled:
            resources[kind][resource] = compiled[name]
        elif (old := name.replace("resource", "", 1)[0].lower() + name[len("resource") + 1 :]) in compiled:
            resources[kind][resource] = f"{compiled[old]:g}" + ("G" if resource == "memory" else "")
    if "accelerator" in compiled:
        wanted = compiled["accelerator"]
        name = wanted.get("resourceType") or wanted["type"]
        resources["limits"][name] = str(wanted.get("resourceCount") or wanted.get("count", 1))
    return {kind: values for kind, values in resources.items() if values}
