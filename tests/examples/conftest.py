"""Makes examples/flights importable, as a run of that project does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
sys.path.insert(0, str(FLIGHTS))


@pytest.fixture(scope="session")
def flights_folder() -> Path:
    return FLIGHTS
