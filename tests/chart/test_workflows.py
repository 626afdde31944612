"""The workflows are thin callers, with few rights, of what can be run by hand."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_tools import ROOT, ran

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        yield from job["steps"]


def test_actionlint_finds_no_fault() -> None:
    done = ran("actionlint", *WORKFLOWS)
    assert done.returncode == 0, done.stdout


@each
def test_actions_are_pinned_and_keep_no_credentials(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line), line
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


@each
def test_rights_are_asked_for_by_the_jobs_that_need_them(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"], name
        written = {right for right, level in job.get("permissions", {}).items() if level == "write"}
        assert written <= {"packages", "id-token", "attestations"}, name


@each
def test_what_runs_is_one_command_of_this_repository(path: Path) -> None:
    for step in [step for step in steps(path) if "run" in step]:
        command = step["run"]
        assert "${{" not in command, "text from outside would become code"
        assert "\n" not in command.strip()
        called = command.split()[0]
        assert called in ("make", "docker", "helm") or (ROOT / called).stat().st_mode & 0o100, command


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "ci").iterdir() if path.suffix == ""))
def test_scripts_are_bash_that_stops_at_a_mistake(script: str) -> None:
    path = ROOT / "ci" / script
    if not path.is_file():
        return
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    assert os.access(path, os.X_OK)
    assert re.search(r"^set -e?uo pipefail$", path.read_text(), re.M), script


def test_a_release_has_one_version_and_a_tag_of_it() -> None:
    check = ROOT / "ci" / "release-check"
    version = subprocess.run([check], capture_output=True, text=True, check=True).stdout.strip()
    wrong = subprocess.run([check, f"v{version}.1"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert f"tag v{version}" in wrong.stderr
