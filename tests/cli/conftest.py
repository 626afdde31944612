"""A new project to try verbs on."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tidemill.adapters.sql.state import SqlState
from tidemill.cli.init import write_project


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, which is the present one."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, "shop", date(2026, 1, 31))
    return tmp_path


@pytest.fixture
def shop_state(shop: Path) -> SqlState:
    """The state store of a project that nothing happened to yet."""
    (shop / ".tidemill").mkdir()
    return SqlState(f"sqlite:///{shop}/.tidemill/state.db")
