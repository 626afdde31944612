"""What every test has: no settings of the person who runs them, and a Hypothesis that does not count seconds."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from left_behind import left
from postgres_server import PostgresServer, binaries

settings.register_profile("tidemill", deadline=None, print_blob=True)  # machines differ; pytest-timeout ends what hangs
# A mutant that fails is noticed: nobody reads its smallest example, and the next mutant is none of its business.
settings.register_profile(
    "mutants", settings.get_profile("tidemill"), phases=(Phase.explicit, Phase.generate), database=None
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tidemill"))


_MARKER = "PROCESS_OF_THE_TESTS"
_DYING = 15.0  # seconds that what was told to end may take


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault(_MARKER, uuid.uuid4().hex)  # workers inherit it, and whatever a test starts


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """The run fails where a process that a test started outlives it. (A test that failed keeps what it had started.)"""
    if hasattr(session.config, "workerinput") or exitstatus != pytest.ExitCode.OK:
        return
    found = left(f"{_MARKER}={os.environ[_MARKER]}", _DYING)
    if found:
        listed = "\n".join(f"  {pid}: {command}" for pid, command in found.items())
        print(f"\nProcesses that outlive the tests that started them:\n{listed}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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
