"""Runs one component in a container that Argo Workflows started: `python -m tidemill_components.launch`.

Argo knows nothing of Kubeflow's executor input. This reads the one that the translation wrote, brings the input
artifacts to where the component looks for them, runs the component's own command, stores what it made, and leaves
the output parameters in files for Argo. The component's exit code is its own.

Whatever goes from step to step is JSON in which no `{{` stands, or Argo would take it for a tag of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tidemill_components.launching import artifacts
from tidemill_components.launching.placeholders import resolved

_RECORD = "executor_output.json"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tidemill_components.launch")
    parser.add_argument("--executor_input", type=json.loads, required=True)
    parser.add_argument("--output_types", type=json.loads, required=True)
    parser.add_argument("--folder", required=True, help="the URI below which this step's artifacts go")
    parser.add_argument("--command", type=json.loads, required=True)
    given = parser.parse_args(arguments)
    executor_input = _with_inputs(given.executor_input)
    outputs = executor_input["outputs"]
    record = f"{given.folder.rstrip('/')}/{_RECORD}"
    artifacts.clear(record)
    for output in outputs["artifacts"].values():
        artifact = output["artifacts"][0]
        artifacts.clear(artifact["uri"])
        if artifact["uri"].startswith("file://"):  # which kfp would take for a path as it is
            artifact["uri"] = artifacts.path_of(artifact["uri"])
    for parameter in [*outputs["parameters"].values(), outputs]:
        Path(parameter["outputFile"]).parent.mkdir(parents=True, exist_ok=True)
    code = _run(resolved(given.command, executor_input))
    if code == 0:
        _hand_on(executor_input, given.output_types, record)
    return code


def _with_inputs(executor_input: dict[str, Any]) -> dict[str, Any]:
    """References replaced by artifacts, which are fetched; null is what an optional input has that was not given."""
    inputs = executor_input["inputs"]
    inputs["parameterValues"] = {k: v for k, v in inputs["parameterValues"].items() if v is not None}
    found = {name: artifacts.described(ref) for name, ref in inputs["artifacts"].items() if ref is not None}
    for artifact in found.values():
        artifacts.fetch(artifact["uri"])
    inputs["artifacts"] = {name: {"artifacts": [artifact]} for name, artifact in found.items()}
    return executor_input


def _run(command: list[str]) -> int:
    """In a process group of its own, which gets what Argo tells this process: a cancelled step ends at once."""
    sys.stdout.flush()
    child = subprocess.Popen(command, process_group=0)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        os.killpg(child.pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    code = child.wait()
    if code < 0:
        print(f"The component was ended by signal {-code} ({signal.Signals(-code).name}).", file=sys.stderr)
    return code if code >= 0 else 128 - code


def _hand_on(executor_input: dict[str, Any], types: dict[str, str], record: str) -> None:
    outputs = executor_input["outputs"]
    written = Path(outputs["outputFile"])
    made: dict[str, Any] = json.loads(written.read_text()) if written.exists() else {}
    stored: dict[str, Any] = {}
    for name, output in outputs["artifacts"].items():
        artifact = {**output["artifacts"][0], **_first(made.get("artifacts", {}).get(name))}
        path = artifact.pop("custom_path", "") or artifacts.path_of(artifact["uri"])
        artifacts.send(Path(path), artifact["uri"])
        stored[name] = {"artifacts": [artifact]}
    values = {name: _parameter(name, made, outputs, kind) for name, kind in types.items()}
    artifacts.write(record, json.dumps({"parameterValues": values, "artifacts": stored}).encode())
    for name, value in {**values, **{name: f"{record}#{name}" for name in stored}}.items():
        place = written.parent / "argo" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(value).replace("{{", "\\u007b\\u007b").replace("\x7f", "\\u007f"))


def _first(output: dict[str, Any] | None) -> dict[str, Any]:
    found: list[dict[str, Any]] = [] if output is None else output["artifacts"]
    return found[0] if found else {}


def _parameter(name: str, made: dict[str, Any], outputs: dict[str, Any], kind: str) -> Any:
    """What the component wrote to the file that it was given goes before what it returned, as in Kubeflow."""
    file = Path(outputs["parameters"][name]["outputFile"])
    if not file.exists():
        return made.get("parameterValues", {}).get(name)
    text = file.read_text()
    if kind == "STRING":
        return text
    return json.loads(text.lower() if kind == "BOOLEAN" else text)


if __name__ == "__main__":
    sys.exit(main())
