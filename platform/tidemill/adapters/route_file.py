"""Routes on disk: all that a data plane needs to serve again after a restart, with nobody to ask.

One JSON file a loop: the route, and where each version's files lie and what their digest was. Beside it, the ready-file
in which a data plane of another process says what it has loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tidemill.adapters.remedy import remedy
from tidemill.adapters.route_document import RouteDocument, dumps, loads, named
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import TemporaryError
from tidemill.loop.model import ModelVersion, Readiness, Route

_READY = ".ready"


class RouteFile:
    """The routes of one folder. Writes are atomic and durable when they return; an unchanged file is not read again."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._seen: dict[str, tuple[tuple[int, int, int], RouteDocument]] = {}

    def loops(self) -> list[str]:
        names = (path.name.removesuffix(".json") for path in self.folder.glob("*.json"))
        return sorted(name for name in names if not name.endswith(_READY))

    def read(self, loop: str) -> RouteDocument:
        path = self._path(loop)
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            seen = self._seen.get(loop)
            if seen is None or seen[0] != stamp:
                seen = (stamp, loads(path.read_text(), f"The route file {path}"))
                self._seen[loop] = seen
            return seen[1]
        except FileNotFoundError:
            return RouteDocument()

    def add(self, loop: str, version: ModelVersion) -> None:
        """Remembers where a version lies, before it is in any route."""
        stored = self.read(loop)
        if stored.versions.get(version.version) != version:
            self._write(loop, RouteDocument(stored.route, {**stored.versions, version.version: version}))

    def set(self, route: Route) -> None:
        """Stores the route, and forgets versions that it does not name. Idempotent."""
        stored = self.read(route.loop)
        wanted = named(route)
        versions = {name: version for name, version in stored.versions.items() if name in wanted}
        if stored != RouteDocument(route, versions):
            self._write(route.loop, RouteDocument(route, versions))

    def report(self, loop: str, ready: Mapping[str, tuple[str, Readiness]]) -> None:
        """A data plane of its own process says, for each version, the digest it looked at and how that went."""
        document = {version: {"digest": digest, **asdict(state)} for version, (digest, state) in ready.items()}
        replace_file(self._path(loop + _READY), json.dumps(document, indent=1))

    def reported(self, loop: str, version: ModelVersion) -> Readiness | None:
        """What was said of exactly this version's files, if anything."""
        try:
            said = json.loads(self._path(loop + _READY).read_text()).get(version.version)
        except FileNotFoundError:
            return None
        if said is None or said["digest"] != version.digest:
            return None
        return Readiness(said["ready"], said["message"], None if said["reason"] is None else Reason(said["reason"]))

    def forget_reports(self, loop: str) -> None:
        with suppress(FileNotFoundError):
            self._path(loop + _READY).unlink()

    def _write(self, loop: str, stored: RouteDocument) -> None:
        replace_file(self._path(loop), dumps(stored))

    def _path(self, loop: str) -> Path:
        return self.folder / f"{loop}.json"


def replace_file(path: Path, content: str) -> None:
    """The new content or the old, whole, whatever happens in between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise TemporaryError(f"{path} could not be written: {error}. The old one stands. {remedy(error)}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
