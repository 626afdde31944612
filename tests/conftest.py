"""What every test has: no settings of the person who runs them, and a Hypothesis that does not count seconds."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("tidemill", deadline=None, print_blob=True)  # machines differ; pytest-timeout ends what hangs
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tidemill"))


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TIDEMILL_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
