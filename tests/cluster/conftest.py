"""Saved models, once a session."""

from __future__ import annotations

import gateway_models as models
import pytest
from tidemill.loop.model import ModelVersion


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelVersion]:
    return models.saved(tmp_path_factory.mktemp("models"))
