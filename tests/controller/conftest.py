"""A loop to be kept, for the tests of the controller."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept_loop import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
