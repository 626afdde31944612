"""Which code a turn is of: all of the project's that its entry points import."""

from __future__ import annotations

from pathlib import Path

import pytest
from tidemill.loop.code import code_digest, modules_of

FILES = {
    "flights/__init__.py": "from .version import VERSION\n",
    "flights/version.py": "VERSION = 1\n",
    "flights/model.py": "import pandas\nfrom . import features\nfrom .deep.er import two\n",
    "flights/features.py": "def f():\n    from helpers import clip\n",
    "flights/deep/__init__.py": "",
    "flights/deep/er.py": "from ..shared import *\nfrom ...flights import model\n",
    "flights/shared.py": "import namespace.inner as inner\n",
    "namespace/inner.py": "",
    "helpers/__init__.py": "",
    "helpers/clip.py": "",
    "unused.py": "",
    "flights/notebook.py": "",
    "pandas_notes.py": "",
}
REACHED = set(FILES) - {"unused.py", "flights/notebook.py", "pandas_notes.py"}
ENTRIES = ("flights.model:train", None, "flights.model:features")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_module_of_the_project_that_is_imported_directly_or_not_is_found(project: Path) -> None:
    found = modules_of(project, ["flights.model"])
    assert {path.relative_to(project).as_posix() for path in found.values()} == REACHED


@pytest.mark.parametrize("name", sorted(REACHED))
def test_a_change_of_any_of_them_is_other_code(project: Path, name: str) -> None:
    before = code_digest(project, ENTRIES)
    (project / name).write_text(FILES[name] + "\nCHANGED = True\n")
    assert code_digest(project, ENTRIES) != before


@pytest.mark.parametrize("name", sorted(set(FILES) - REACHED))
def test_a_change_of_any_other_is_not(project: Path, name: str) -> None:
    before = code_digest(project, ENTRIES)
    (project / name).write_text("CHANGED = True\n")
    assert code_digest(project, ENTRIES) == before


def test_the_same_code_elsewhere_is_the_same(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name in REACHED:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(FILES[name])
    assert code_digest(other, ENTRIES) == code_digest(project, ENTRIES)


def test_code_that_cannot_be_parsed_has_a_digest_too(project: Path) -> None:
    (project / "flights" / "model.py").write_text("def train(:")
    assert code_digest(project, ENTRIES) != code_digest(project, ("helpers:x",))
