"""One DAG of the IR as a Workflow template: tasks, what they wait for, on what condition, and what they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.adapters.argo.condition import when
from tidemill.adapters.argo.refused import Json, only, refuse
from tidemill.adapters.argo.step import FOLDER
from tidemill.adapters.argo.values import Value, component_input, constant, selected, task_output, typed

_TASK = (
    "cachingOptions", "componentRef", "dependentTasks", "inputs", "iteratorPolicy", "parameterIterator", "retryPolicy",
    "taskInfo", "triggerPolicy",
)  # fmt: skip
_EXECUTED = "(ignore_upstream_failure, exit handlers)"


def inputs(task: str, spec: Json, component: Json, scope: Mapping[str, Value]) -> dict[str, Value]:
    """What the task is given, by name. `scope` holds the inputs of the DAG in which it stands."""
    only(task, "the setting", spec, _TASK)
    given = spec.get("inputs", {})
    only(task, "the inputs'", given, ["parameters", "artifacts"])
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    values: dict[str, Value] = {}
    for name, source in given.get("parameters", {}).items():
        values[name] = _parameter(task, name, source, declared.get(name, {}).get("parameterType", ""), scope)
        if "dag" in component and (values[name].constant or "").count("\\u007b\\u007b$"):
            raise refuse(task, f"a text made of values of the run, given to a pipeline inside it (`{name}`)")
    for name, source in given.get("artifacts", {}).items():
        values[name] = _artifact(task, name, source, scope)
    return values


def _parameter(task: str, name: str, source: Json, kind: str, scope: Mapping[str, Value]) -> Value:
    only(task, f"in its input `{name}` the source", source,
         ["runtimeValue", "componentInputParameter", "taskOutputParameter", "parameterExpressionSelector"])  # fmt: skip
    if "runtimeValue" in source:
        if "constant" not in source["runtimeValue"]:
            raise refuse(task, f"a runtime value that is no constant in its input `{name}`")
        return constant(typed(source["runtimeValue"]["constant"], kind))
    if "componentInputParameter" in source:
        value = scope.get(source["componentInputParameter"]) or component_input(source["componentInputParameter"])
    else:
        producer = source["taskOutputParameter"]
        value = task_output(producer["producerTask"], producer["outputParameterKey"])
    selector = source.get("parameterExpressionSelector")
    return value if selector is None else selected(task, value, selector)


def _artifact(task: str, name: str, source: Json, scope: Mapping[str, Value]) -> Value:
    only(task, f"in its input `{name}` the source", source, ["componentInputArtifact", "taskOutputArtifact"])
    if "componentInputArtifact" in source:
        return component_input(source["componentInputArtifact"])
    producer = source["taskOutputArtifact"]
    return task_output(producer["producerTask"], producer["outputArtifactKey"])


def task(name: str, spec: Json, template: str, values: Mapping[str, Value], loops: set[str]) -> dict[str, Any]:
    """The DAG's entry for one task."""
    arguments = [{"name": FOLDER, "value": f"{{{{inputs.parameters.{FOLDER}}}}}/{name}"}]
    arguments += [{"name": given, "value": value.text} for given, value in values.items()]
    entry: dict[str, Any] = {"name": name, "template": template, "arguments": {"parameters": arguments}}
    depends = _depends(name, spec, loops)
    if depends:
        entry["depends"] = depends
    policy = spec.get("triggerPolicy", {})
    only(name, "the trigger policy's", policy, ["condition"] if "strategy" not in policy else ["condition", "strategy"])
    if policy.get("strategy", "ALL_UPSTREAM_TASKS_SUCCEEDED") != "ALL_UPSTREAM_TASKS_SUCCEEDED":
        raise refuse(name, f"the trigger strategy {policy['strategy']} {_EXECUTED}")
    if "condition" in policy:
        entry["when"] = when(name, policy["condition"], values)
    return entry


def _depends(name: str, spec: Json, loops: set[str]) -> str:
    """After one that gives it something, it runs where that succeeded; after one that it only follows, where that
    succeeded or its condition did not hold, as kfp.local has it."""
    given = spec.get("inputs", {})
    sources = [*given.get("parameters", {}).values(), *given.get("artifacts", {}).values()]
    producers = set()
    for source in sources:
        for kind in ("taskOutputParameter", "taskOutputArtifact"):
            if kind in source:
                producers.add(source[kind]["producerTask"])
    collected = sorted(producers & loops)
    if collected:
        raise refuse(name, f"what the loop {collected[0]} collects (dsl.Collected)")
    after = sorted(producers | set(spec.get("dependentTasks", [])))
    return " && ".join(f"{t}.Succeeded" if t in producers else f"({t}.Succeeded || {t}.Skipped)" for t in after)


def outputs(name: str, spec: Json) -> list[dict[str, Any]]:
    """What a DAG hands out of what its tasks made; of several (OneOf) that of the one that ran."""
    only(name, "the outputs'", spec, ["parameters", "artifacts"])
    found = []
    for key, source in spec.get("parameters", {}).items():
        only(name, f"in its output `{key}`", source, ["valueFromParameter", "valueFromOneof"])
        selectors = source.get("valueFromOneof", {}).get("parameterSelectors") or [source["valueFromParameter"]]
        found.append((key, [(s["producerSubtask"], s["outputParameterKey"]) for s in selectors]))
    for key, source in spec.get("artifacts", {}).items():
        only(name, f"in its output `{key}`", source, ["artifactSelectors"])
        found.append((key, [(s["producerSubtask"], s["outputArtifactKey"]) for s in source["artifactSelectors"]]))
    return [{"name": key, "valueFrom": _first(makers)} for key, makers in found]


def _first(makers: list[tuple[str, str]]) -> dict[str, str]:
    if len(makers) == 1:
        subtask, key = makers[0]
        return {"parameter": f"{{{{tasks.{subtask}.outputs.parameters.{key}}}}}"}
    *tried, (last, key) = makers
    expression = f"tasks['{last}'].outputs.parameters['{key}']"
    for subtask, key in reversed(tried):
        made = f"tasks['{subtask}'].outputs.parameters['{key}']"
        expression = f"tasks['{subtask}'].status == 'Succeeded' ? {made} : {expression}"
    return {"expression": expression}
