"""Kubeflow's placeholders in a component's command, resolved as its own backends resolve them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .artifacts import path_of

_PLACEHOLDER = re.compile(r"\{\{\$(?P<path>[^{}]*)\}\}")
_PARTS = re.compile(r"\.(\w+)|\['([^']*)'\]|\[\"([^\"]*)\"\]")


def resolved(command: list[str], executor_input: dict[str, Any]) -> list[str]:
    """The command as it is run. Texts among the inputs that name other inputs (f-strings in a pipeline) come first."""
    given = executor_input["inputs"]["parameterValues"]
    for name, value in given.items():
        if isinstance(value, str):
            given[name] = _text(value, executor_input)
    provided = {*given, *executor_input["inputs"]["artifacts"]}
    words: list[str] = []
    for word in command:
        found = json.loads(word) if word.startswith(('{"Concat": ', '{"IfPresent": ')) else word
        words += [_text(part, executor_input) for part in _flat(found, provided)]
    return words


def _flat(struct: Any, provided: set[str]) -> list[str]:
    if isinstance(struct, str):
        return [struct]
    if isinstance(struct, list):
        return [part for inner in struct for part in _flat(inner, provided)]
    if "Concat" in struct:
        return ["".join(_flat(struct["Concat"], provided))]
    chosen = struct["IfPresent"]
    branch = chosen["Then"] if chosen["InputName"] in provided else chosen.get("Else")
    return [] if branch is None else _flat(branch, provided)


def _text(text: str, executor_input: Mapping[str, Any]) -> str:
    return _PLACEHOLDER.sub(lambda found: _value(found["path"], executor_input), text)


def _value(path: str, executor_input: Mapping[str, Any]) -> str:
    parts = [next(part for part in found if part) for found in _PARTS.findall(path)]
    if path in ("", ".json_escape"):
        return json.dumps(executor_input)
    try:
        value = _found(parts, executor_input)
    except (KeyError, IndexError, ValueError) as error:
        raise SystemExit(
            f"The placeholder {{{{${path}}}}} in the component's command is unknown to Tidemill's launcher: {error!r}. "
            "Take the value as an input of the component."
        ) from error
    return value if isinstance(value, str) else json.dumps(value)


def _found(parts: list[str], executor_input: Mapping[str, Any]) -> Any:
    match parts:
        case ["inputs", "parameters", name]:
            return executor_input["inputs"]["parameterValues"].get(name)
        case ["outputs", "parameters", name, "output_file"]:
            return executor_input["outputs"]["parameters"][name]["outputFile"]
        case ["outputs", "output_file"] | ["outputMetadataUri"]:
            return executor_input["outputs"]["outputFile"]
        case ["inputs" | "outputs" as side, "artifacts", name, what, *key]:
            artifact = executor_input[side]["artifacts"][name]["artifacts"][0]
            if what == "path":
                return path_of(artifact["uri"])
            return artifact["metadata"][key[0]] if what == "metadata" and key else artifact[what]
    raise ValueError("unknown")
