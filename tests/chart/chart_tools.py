"""helm and its kin, for the tests of the chart. Where one is missing its tests are skipped; where
TIDEMILL_CI_TOOLS=1 says that all must be there, as in CI, they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "tidemill"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
REQUIRED = os.environ.get("TIDEMILL_CI_TOOLS") == "1"  # read before the tests' own environment is cleaned
VERSION = ("--kube-version", "1.34.0")  # a helm from `go install` believes in 1.20

Object = dict[str, Any]


def tool(name: str) -> str:
    """The program, from .tools/bin or the PATH."""
    found = shutil.which(name, path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        message = f"{name} is not here; `ci/install-tools` brings it"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    return found


def ran(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool(name), *arguments], capture_output=True, text=True, check=False, timeout=100)


def template(*options: str | Path, release: str = "tidemill") -> subprocess.CompletedProcess[str]:
    return ran("helm", "template", release, CHART, "--namespace", "models", *VERSION, *options)


def render(values: Path, *options: str, release: str = "tidemill") -> list[Object]:
    done = template("-f", values, *options, release=release)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def notes(folder: Path, values: Path, *options: str) -> str:
    """What helm says at the end of an install. It shows that to who installs alone, so a copy of the chart renders it
    into a ConfigMap."""
    copy = folder / "tidemill"
    shutil.copytree(CHART, copy, dirs_exist_ok=True)
    said = '{{ include "tidemill/templates/NOTES.txt" . | toJson }}'
    (copy / "templates" / "said.yaml").write_text(f"apiVersion: v1\nkind: ConfigMap\ndata: {{notes: {said}}}\n")
    shown = ("--show-only", "templates/said.yaml")
    done = ran("helm", "template", "tidemill", copy, "--namespace", "models", *VERSION, "-f", values, *shown, *options)
    assert done.returncode == 0, done.stderr
    text: str = yaml.safe_load(done.stdout)["data"]["notes"]
    return text


def refusal(*options: str) -> str:
    """What helm says of values that it must refuse, besides those of the kubeflow set."""
    done = template("-f", CHART / "ci" / "kubeflow-values.yaml", *options)
    assert done.returncode != 0, f"helm took {options}"
    return done.stderr


def pods(objects: list[Object]) -> list[tuple[str, Object]]:
    """(kind/name, Pod's spec) of everything that makes Pods."""
    found = []
    for one in objects:
        spec = one if one["kind"] == "Pod" else one.get("spec", {}).get("template", {})
        if "spec" in spec and "containers" in spec["spec"]:
            found.append((f"{one['kind']}/{one['metadata']['name']}", spec["spec"]))
    return found


def named(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found
