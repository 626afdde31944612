"""Compiled Kubeflow IR -> Argo Workflow: a pure function.

A component becomes a template, a pipeline's parameter an Argo parameter (as JSON text, see values.py), an artifact a
parameter that holds the URI of its description. Steps are not cached: Kubeflow's cache is its server's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tidemill.adapters.argo import dag, step
from tidemill.adapters.argo.loop import INDEX, Loop
from tidemill.adapters.argo.refused import Json, NotTranslatable, only, refuse
from tidemill.adapters.argo.run import Run
from tidemill.adapters.argo.values import Value, encoded, item, typed
from tidemill.adapters.argo.workflow import workflow
from tidemill.adapters.step_settings import StepSettings
from tidemill.loop.errors import TidemillError

_WHOLE = "(the pipeline)"
_ENTRYPOINT = "pipeline"
_SECTIONS = (
    "components", "defaultPipelineRoot", "deploymentSpec", "pipelineInfo", "root", "schemaVersion", "sdkVersion",
)  # fmt: skip
_PLAIN = re.compile(r"[\w\-.~:/@+=%]+", re.ASCII)  # it is written into JSON as it is


def read_ir(path: Path) -> dict[str, Any]:
    """A compiled pipeline. Raises NotTranslatable where a second document holds settings of kfp-kubernetes."""
    ir, *more = yaml.safe_load_all(path.read_text())
    if more and any(more):
        raise NotTranslatable(
            f"{path.name} holds platform settings (kfp-kubernetes), which are not translated for Argo Workflows. Set "
            "them for the installation's steps instead (env, Secrets, node selector, tolerations, volumes)."
        )
    return dict(ir)


def translate(ir: Json, run: Run, arguments: Json, settings: StepSettings) -> dict[str, Any]:
    """A Workflow ready to be created. Raises NotTranslatable, naming task and feature, for what cannot be run alike."""
    only(_WHOLE, "the section", ir, _SECTIONS)
    if not _PLAIN.fullmatch(run.root):
        raise TidemillError(
            f"Artifacts cannot go below {run.root!r}: only letters, digits and -._~:/@+=% may be in it. "
            "Choose another storage folder."
        )
    declared = ir["root"].get("inputDefinitions", {})
    if declared.get("artifacts"):
        raise refuse(_WHOLE, f"the input artifact `{next(iter(declared['artifacts']))}`")
    given = _given(declared.get("parameters", {}), arguments, ir["pipelineInfo"]["name"])
    translation = _Translation(ir, settings)
    translation.dag(_WHOLE, _ENTRYPOINT, ir["root"], list(given), {})
    parameters = [{"name": step.FOLDER, "value": run.root}]
    parameters += [{"name": key, "value": encoded(value)} for key, value in given.items()]
    return workflow(run, _ENTRYPOINT, parameters, translation.templates, settings)


def _given(declared: Json, arguments: Json, pipeline: str) -> dict[str, Any]:
    strange = sorted(set(arguments) - set(declared))
    if strange:
        raise TidemillError(f"The pipeline {pipeline} has no parameter {strange[0]}; it has {', '.join(declared)}.")
    given = {}
    for name, spec in declared.items():
        if name not in arguments and "defaultValue" not in spec and not spec.get("isOptional"):
            raise TidemillError(f"The pipeline {pipeline} needs its parameter {name}, which was not given.")
        given[name] = typed(arguments.get(name, spec.get("defaultValue")), spec["parameterType"])
    return given


class _Translation:
    """The templates made so far: one for each task that the IR names, since what a task passes makes its template."""

    def __init__(self, ir: Json, settings: StepSettings) -> None:
        self._components: Json = ir.get("components", {})
        self._executors: Json = ir.get("deploymentSpec", {}).get("executors", {})
        self._settings = settings
        self._names: set[str] = set()
        self.templates: list[dict[str, Any]] = []

    def dag(self, task: str, name: str, component: Json, extra: list[str], scope: dict[str, Value]) -> None:
        """Adds the template of a DAG and those of all that it holds."""
        only(task, "the pipeline's", component["dag"], ["tasks", "outputs"])
        tasks = component["dag"]["tasks"]
        loops = {key for key, spec in tasks.items() if "parameterIterator" in spec}
        entries = [self._task(key, spec, scope, loops) for key, spec in tasks.items()]
        inputs = step.inputs_of(task, component, [])
        known = {parameter["name"] for parameter in inputs}
        inputs += [{"name": name} for name in extra if name not in known]
        template: dict[str, Any] = {"name": name, "inputs": {"parameters": inputs}, "dag": {"tasks": entries}}
        outputs = dag.outputs(task, component["dag"].get("outputs", {}))
        if outputs:
            template["outputs"] = {"parameters": outputs}
        self.templates.append(template)

    def _task(self, key: str, spec: Json, scope: dict[str, Value], loops: set[str]) -> dict[str, Any]:
        reference = spec["componentRef"]["name"]
        component = self._components[reference]
        values = dag.inputs(key, spec, component, scope)
        name = self._unused(reference.removeprefix("comp-"))
        entry = dag.task(key, spec, name, values, loops)
        if "parameterIterator" in spec:
            self._loop(key, Loop.of(key, spec), name, component, list(values))
        elif "iteratorPolicy" in spec:
            raise refuse(key, "an iterator policy without an iterator")
        elif "dag" in component:
            if "retryPolicy" in spec:
                raise refuse(key, "a retry of a whole pipeline inside it")
            self.dag(key, name, component, [], {})
        else:
            self._step(key, spec, name, component, list(values))
        return entry

    def _loop(self, key: str, loop: Loop, name: str, component: Json, given: list[str]) -> None:
        """Two templates: the loop, which counts, and its body, which picks the value of its index."""
        body = self._unused(f"{name}-each")
        self.templates.append(loop.template(name, body, given))
        picked = item(loop.items, INDEX)
        self.dag(key, body, _without(component, loop.item_input), [*given, INDEX], {loop.item_input: picked})

    def _step(self, key: str, spec: Json, name: str, component: Json, given: list[str]) -> None:
        declared = component.get("inputDefinitions", {})
        extra = [n for n in given if n not in {**declared.get("parameters", {}), **declared.get("artifacts", {})}]
        executor = self._executors[component["executorLabel"]]
        template = {
            "name": name,
            "inputs": {"parameters": step.inputs_of(key, component, extra)},
            "container": step.container(key, component, executor, extra, self._settings),
        }
        nodes = self._settings.of(key).node_selector
        if nodes != self._settings.node_selector:
            template["nodeSelector"] = dict(nodes)
        outputs = step.outputs_of(key, component)
        if outputs:
            template["outputs"] = {"parameters": outputs}
        if "retryPolicy" in spec:
            template["retryStrategy"] = step.retries(key, spec["retryPolicy"])
        self.templates.append(template)

    def _unused(self, name: str) -> str:
        """Tasks may share a component; a template is one task's."""
        found, number = name, 1
        while found in self._names or found == _ENTRYPOINT:
            number += 1
            found = f"{name}-{number}"
        self._names.add(found)
        return found


def _without(component: Json, name: str) -> dict[str, Any]:
    """A loop's body, whose item is no input of its own: it is picked from the list."""
    declared = component["inputDefinitions"]
    kept = {key: spec for key, spec in declared["parameters"].items() if key != name}
    return {**component, "inputDefinitions": {**declared, "parameters": kept}}
