"""Listing, fetching and removing the parts of the prediction log, on this machine or in an object store."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tidemill.loop.errors import TemporaryError
from tidemill.loop.turn import files

_ONE_BY_ONE = 8  # days; more are listed in one go

Parts = dict[str, dict[str, int]]  # day -> name -> bytes


def list_part_files(url: str, wanted: Sequence[str]) -> Parts:
    """The parts of the wanted days; days without any are left out."""
    folder = files.local_path(url)
    if folder is not None:
        found = [
            (day, path.name, path.stat().st_size)
            for day in wanted
            for path in sorted((folder / f"day={day}").glob("part-*.parquet"))
        ]
    elif len(wanted) > _ONE_BY_ONE:
        found = [_entry(entry) for entry in files.listing(url, deep=True)]
    else:
        found = [_entry(entry) for day in wanted for entry in files.listing(files.join(url, f"day={day}"))]
    among = set(wanted)
    parts: Parts = {}
    for day, name, size in sorted(found):
        if day in among and name.startswith("part-") and name.endswith(".parquet"):
            parts.setdefault(day, {})[name] = size
    return parts


def list_changed_part_files(url: str, since: datetime) -> Parts:
    """All parts of the days that a part was written for since then: what was logged later cannot be elsewhere."""
    folder = files.local_path(url)
    if folder is not None:
        paths = sorted(folder.glob("day=*/part-*.parquet"))
        stats = [(path, path.stat()) for path in paths]
        found: list[tuple[str, str, int, datetime | None]] = [
            (path.parent.name.removeprefix("day="), path.name, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))
            for path, stat in stats
        ]
    else:
        found = [(*_entry(entry), _modified(entry)) for entry in files.listing(url, deep=True)]
    wanted = {day for day, _, _, changed in found if changed is None or changed >= since}
    parts: Parts = {}
    for day, name, size, _ in sorted(found, key=lambda each: each[:2]):
        if day in wanted and name.startswith("part-") and name.endswith(".parquet"):
            parts.setdefault(day, {})[name] = size
    return parts


def fetch_part_files(url: str, names: Sequence[str], to: Path) -> None:
    """Raises FileNotFoundError for one that is there no more."""
    to.mkdir(parents=True, exist_ok=True)
    here = files.local_path(url)
    with tempfile.TemporaryDirectory(dir=to) as aside:
        for name, path in zip(names, files.fetch([files.join(url, name) for name in names], Path(aside)), strict=True):
            if here is None:
                path.replace(to / name)  # whole or not at all
            else:
                link = Path(aside) / name
                link.symlink_to(path.absolute())
                path.stat()
                link.replace(to / name)


def remove_part_files(uris: Sequence[str]) -> None:
    """Those that are gone already do not matter."""
    for uri in uris:
        path = files.local_path(uri)
        if path is not None:
            path.unlink(missing_ok=True)
            continue
        try:
            store, name = files.opened(uri)
            store.rm_file(name)
        except FileNotFoundError:
            continue
        except Exception as error:
            raise TemporaryError(f"{uri} could not be removed: {type(error).__name__}: {error}.") from error


def _modified(entry: dict[str, object]) -> datetime | None:
    changed = entry.get("LastModified") or entry.get("mtime")
    return changed if isinstance(changed, datetime) and changed.tzinfo else None


def _entry(entry: dict[str, object]) -> tuple[str, str, int]:
    folder, _, name = str(entry["name"]).rpartition("/")
    return folder.rpartition("day=")[2], name, int(str(entry.get("size") or 0))
