"""Saved models once a session; a running gateway a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import gateway_models as models
import pytest
from gateway_harness import Running
from tidemill.loop.model import ModelVersion
from tidemill.loop.ports import Clock


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelVersion]:
    return models.saved(tmp_path_factory.mktemp("models"))


@pytest.fixture
def remote() -> bool:
    """Whether versions are scored by model servers; a test that holds for both ways is parametrised with it."""
    return False


@pytest.fixture
def start(tmp_path: Path, remote: bool) -> Iterator[Callable[..., Running]]:
    models.gate.clear()
    models.entered.clear()
    running: list[Running] = []

    def begin(timeout: str = "5s", clock: Clock | None = None) -> Running:
        running.append(Running(tmp_path, timeout, remote, clock))
        return running[-1]

    yield begin
    models.gate.set()
    for one in running:
        one.close()
