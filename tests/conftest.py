"""What every test has: no settings of the person who runs them, and a Hypothesis that does not count seconds."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from postgres_server import PostgresServer, binaries

settings.register_profile("tidemill", deadline=None, print_blob=True)  # machines differ; pytest-timeout ends what hangs
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tidemill"))


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TIDEMILL_", "MLFLOW_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the tests' own (about two seconds); skips where none is installed."""
    pytest.importorskip("psycopg")
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed; `ci/install-postgres` does that")
    folder = Path(tempfile.mkdtemp(prefix="tidemill-pg-"))  # short: the path of a socket has at most 107 characters
    server = PostgresServer(folder)
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder, ignore_errors=True)
