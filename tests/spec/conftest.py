"""A project in a folder, whose parts a test may spoil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from loops import LOOP

MODEL = """\
def train(X, y, previous=None):
    return None


def average(X, y, previous=None):
    return None


def features(frame):
    return frame
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a valid project; also the current one, so that messages name files as a person types them."""
    (tmp_path / "loop.yaml").write_text(LOOP)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "expectations.json").write_text('{"name": "visits", "expectations": []}')
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "2026-01-31.csv").write_text("visit_id,visited_at,bought\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def edited(project: Path) -> Callable[..., Path]:
    """The project's loop.yaml with texts replaced: `edited("growth", "growht")`."""

    def edit(*replacements: str) -> Path:
        path = project / "loop.yaml"
        text = path.read_text()
        for old, new in zip(replacements[::2], replacements[1::2], strict=True):
            assert old in text, old
            text = text.replace(old, new)
        path.write_text(text)
        return path

    return edit
