"""Rules of the repository that a tool can check, so that no reviewer has to."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
LONGEST_FILE = 400
# A path of one machine, or where its packages came from, is of no use on another.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:root|home/\w+|Users/\w+|work|opt/wheels)/\S")
REGISTRY = re.compile(
    r"--(?:extra-)?index-url[= ]+\S|--find-links[= ]+\S|https?://[^\s\"'<>]+/simple\b|pythonhosted\.org"
)
TEXT = {
    "", ".cfg", ".css", ".html", ".ini", ".j2", ".json", ".md", ".py", ".sh", ".svg", ".toml", ".txt", ".yaml", ".yml",
}  # fmt: skip


def files() -> list[Path]:
    """What is in the repository, or would be with the next commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for name in listed if (path := ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "command",
    [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",), ("lint-imports",)],
    ids="-".join,
)
def test_the_tool_finds_nothing(command: tuple[str, ...]) -> None:
    if not (BIN / command[0]).exists():
        pytest.skip(f"{command[0]} is not installed; `make install` does")
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_no_package_marker_lies_directly_in_platform() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists(), "it would shadow the standard library's platform"


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b|raise NotImplementedError")
    found = [str(path.relative_to(ROOT)) for path in python_files() if later.search(path.read_text(encoding="utf-8"))]
    assert [path for path in found if path != "tests/test_architecture.py"] == []


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY], ids=["machine-path", "registry"])
def test_no_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    found = []
    for path in files():
        if path.suffix not in TEXT or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


@pytest.mark.parametrize("script", ["ci/install", "ci/install-chromium", "ci/install-postgres", ".ci/run"])
def test_scripts_can_be_run_and_parse(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111, f"chmod +x {script}"
    subprocess.run(["bash", "-n", path], check=True)


def test_every_target_of_the_makefile_is_explained() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z0-9-]+):(.*)$", text, re.MULTILINE)
    assert [target for target, rest in targets if "##" not in rest] == []


@pytest.mark.parametrize("python", ["py311", "py312"])
def test_constraints_pin_everything_and_name_no_place(python: str) -> None:
    lines = (ROOT / "constraints" / f"{python}.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 100
    assert [line for line in pins if not re.fullmatch(r"[a-z0-9-]+==[\w.+!]+( ; .*)?", line)] == []
