"""Routes on disk: all that a data plane needs to serve again after a restart, with nobody to ask.

One JSON file a loop: the route, and where each version's files lie and what their digest was. Beside it, the ready-file
in which a data plane of another process says what it has loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import TemporaryError, TidemillError
from tidemill.loop.model import Arm, Calibrator, ModelVersion, Readiness, Role, Route

_READY = ".ready"


@dataclass(frozen=True)
class Stored:
    """`versions` holds every version of the route, and those that were asked to be made ready since."""

    route: Route | None = None
    versions: Mapping[str, ModelVersion] = field(default_factory=dict)


class RouteFile:
    """The routes of one folder. Writes are atomic and durable when they return; an unchanged file is not read again."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._seen: dict[str, tuple[tuple[int, int, int], Stored]] = {}

    def loops(self) -> list[str]:
        names = (path.name.removesuffix(".json") for path in self.folder.glob("*.json"))
        return sorted(name for name in names if not name.endswith(_READY))

    def read(self, loop: str) -> Stored:
        path = self._path(loop)
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            seen = self._seen.get(loop)
            if seen is None or seen[0] != stamp:
                seen = (stamp, _load(path))
                self._seen[loop] = seen
            return seen[1]
        except FileNotFoundError:
            return Stored()

    def add(self, loop: str, version: ModelVersion) -> None:
        """Remembers where a version lies, before it is in any route."""
        stored = self.read(loop)
        if stored.versions.get(version.version) != version:
            self._write(loop, Stored(stored.route, {**stored.versions, version.version: version}))

    def set(self, route: Route) -> None:
        """Stores the route, and forgets versions that it does not name. Idempotent."""
        stored = self.read(route.loop)
        named = {arm.version for arm in route.arms} | set(route.fallback)
        versions = {name: version for name, version in stored.versions.items() if name in named}
        if stored != Stored(route, versions):
            self._write(route.loop, Stored(route, versions))

    def report(self, loop: str, ready: Mapping[str, tuple[str, Readiness]]) -> None:
        """A data plane of its own process says, for each version, the digest it looked at and how that went."""
        document = {version: {"digest": digest, **asdict(state)} for version, (digest, state) in ready.items()}
        _replace(self._path(loop + _READY), document)

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

    def _write(self, loop: str, stored: Stored) -> None:
        route = None if stored.route is None else asdict(stored.route)
        versions = {name: {**asdict(v), "tags": dict(v.tags)} for name, v in stored.versions.items()}
        _replace(self._path(loop), {"format": 1, "route": route, "versions": versions})

    def _path(self, loop: str) -> Path:
        return self.folder / f"{loop}.json"


def _load(path: Path) -> Stored:
    try:
        document = json.loads(path.read_text())
        route = None if document["route"] is None else _route(document["route"])
        return Stored(route, {name: ModelVersion(**fields) for name, fields in document["versions"].items()})
    except (ValueError, KeyError, TypeError) as error:
        raise TidemillError(
            f"The route file {path} cannot be read ({error!r}). Remove it: the loop's next tick writes it again."
        ) from error


def _route(fields: dict[str, Any]) -> Route:
    return Route(fields["loop"], tuple(_arm(arm) for arm in fields["arms"]), tuple(fields["fallback"]))


def _arm(fields: dict[str, Any]) -> Arm:
    calibrator = fields["calibrator"]
    if calibrator is not None:
        calibrator = Calibrator(**{**calibrator, "fitted_at": datetime.fromisoformat(calibrator["fitted_at"])})
    return Arm(**{**fields, "role": Role(fields["role"]), "calibrator": calibrator})


def _replace(path: Path, document: Mapping[str, Any]) -> None:
    """The new content or the old, whole, whatever happens in between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w") as file:
            json.dump(document, file, indent=1, default=lambda value: value.isoformat())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise TemporaryError(
            f"{path} could not be written: {error}. Free or repair the disk; the old one stands."
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
