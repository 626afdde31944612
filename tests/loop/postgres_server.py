"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a Unix socket, run by a user who is not root."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_FAST = "-c fsync=off -c listen_addresses= -c max_connections=60 -c shared_buffers=16MB"
_numbers = itertools.count(1)


def binaries() -> Path | None:
    """The folder of initdb and postgres, of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    return None if named is None else Path(named).resolve().parent


class PostgresServer:
    def __init__(self, folder: Path) -> None:
        found = binaries()
        assert found is not None
        self._bin = found
        self.folder, self._data = folder, folder / "data"
        self._user = None if os.getuid() else pwd.getpwnam("postgres")  # PostgreSQL refuses to be run by root
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", self._data, "-U", "tidemill", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")

    def start(self) -> None:
        options = f"{_FAST} -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-o", options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def new_database(self) -> str:
        """The SQLAlchemy URL of an empty database."""
        name = f"t{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://tidemill@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        engine = sa.create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.execute(sa.text(statement))
            rows = list(result) if result.returns_rows else []
        engine.dispose()
        return rows

    def _run(self, program: str, *arguments: str | Path) -> None:
        who: dict[str, Any] = {}
        if self._user is not None:
            who = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        # Into a file: the server that pg_ctl leaves behind would hold a pipe open.
        with tempfile.TemporaryFile() as said:
            command = [str(self._bin / program), *map(str, arguments)]
            done = subprocess.run(command, stdout=said, stderr=said, check=False, cwd=self.folder, **who)
            said.seek(0)
            assert done.returncode == 0, said.read().decode()
