"""What decisions and statistics take and return is frozen: nobody changes a fact after it was judged."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

import pytest
import tidemill.decisions
import tidemill.stats

PACKAGES = (tidemill.decisions, tidemill.stats)
MODULES = [
    f"{package.__name__}.{found.name}" for package in PACKAGES for found in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_every_dataclass_is_frozen(name: str) -> None:
    found = [kind for kind in vars(importlib.import_module(name)).values() if dataclasses.is_dataclass(kind)]
    assert [kind.__name__ for kind in found if not kind.__dataclass_params__.frozen] == []
