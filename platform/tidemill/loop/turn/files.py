"""Files and folders named by a URI: `file://` or a plain path on this machine, anything else through fsspec (`s3://`).

Credentials of an object store come from the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...), never from a URI.
A write is there whole or not at all: on a file system by a rename, in an object store by its own promise.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tidemill.loop.errors import TemporaryError, TidemillError


def local_path(uri: str) -> Path | None:
    """The path on this machine; None where the URI names an object store."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in uri else Path(uri)


def join(uri: str, *names: str) -> str:
    """A URI below another one. `file://` URIs stay such. Raises TidemillError for a name that leads elsewhere: some are
    a person's."""
    for name in names:
        if name.startswith("/") or ".." in name.split("/"):
            raise TidemillError(
                f"{name} does not lie below {uri}, and is looked for nowhere else. Put it there, and name it relative "
                "to that folder, without `..`."
            )
    path = local_path(uri)
    if path is None:
        # A store takes a dot for a name.
        return "/".join([uri.rstrip("/"), *(part for name in names for part in name.split("/") if part != ".")])
    below = path.joinpath(*names)
    return below.as_uri() if uri.startswith("file:") else str(below)


def exists(uri: str) -> bool:
    path = local_path(uri)
    if path is not None:
        return path.exists()
    with _asking(uri) as (store, name):
        return bool(store.exists(name))


def read_bytes(uri: str) -> bytes:
    """Raises FileNotFoundError; TemporaryError where the store does not answer."""
    path = local_path(uri)
    if path is not None:
        return path.read_bytes()
    with _asking(uri) as (store, name):
        return bytes(store.cat_file(name))


def write_bytes(uri: str, content: bytes) -> None:
    path = local_path(uri)
    if path is None:
        with _asking(uri) as (store, name):
            store.pipe_file(name, content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def names(uri: str) -> list[str]:
    """Of the files directly in a folder, sorted; none where there is no such folder. Half-written ones are left out."""
    path = local_path(uri)
    if path is not None:
        found = [entry.name for entry in path.iterdir() if entry.is_file()] if path.is_dir() else []
    else:
        found = [entry["name"].rpartition("/")[2] for entry in listing(uri) if entry["type"] == "file"]
    return sorted(name for name in found if name and not name.startswith("."))


def listing(uri: str, deep: bool = False) -> list[dict[str, Any]]:
    """What an object store says of the entries of a folder: name (with bucket), size, type, ETag or time. Asked anew
    each time: others write there, too."""
    with _asking(uri) as (store, name):
        store.invalidate_cache(name)
        try:
            if deep:
                return list(store.find(name, detail=True).values())
            return list(store.ls(name, detail=True))
        except FileNotFoundError as error:
            if _no_bucket(error):
                raise
            return []


def fetch(uris: Iterable[str], to: Path) -> list[Path]:
    """Copies files into the folder `to`, several at a time, and returns where they are; those that are on this machine
    already stay where they are."""
    wanted = list(uris)
    local = [local_path(uri) for uri in wanted]
    places = [
        path or to / f"{number}-{uri.rpartition('/')[2]}"
        for number, (uri, path) in enumerate(zip(wanted, local, strict=True))
    ]
    remote = [(uri, place) for uri, path, place in zip(wanted, local, places, strict=True) if path is None]
    if remote:
        to.mkdir(parents=True, exist_ok=True)
        with _asking(remote[0][0]) as (store, _):
            store.get([store._strip_protocol(uri) for uri, _ in remote], [str(place) for _, place in remote])
    return places


def fetch_folder(uri: str, to: Path) -> Path:
    """The folder on this machine: itself where it is here already, else copied to `to`, which is replaced."""
    path = local_path(uri)
    if path is not None:
        return path
    shutil.rmtree(to, ignore_errors=True)
    aside = to.with_name(f".{to.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    with _asking(uri) as (store, name):
        prefix = name.rstrip("/") + "/"
        found = [entry for entry in store.find(name) if not entry.endswith("/")]
        if not found:
            raise FileNotFoundError(f"There is no folder at {uri}.")
        places = [aside / entry.removeprefix(prefix) for entry in found]
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
        store.get(found, [str(place) for place in places])
    aside.rename(to)
    return to


def store_folder(folder: Path, uri: str) -> None:
    """Copies a folder's files to a URI. What was there under other names goes, so that its digest is the folder's."""
    path = local_path(uri)
    if path is not None:
        aside = path.with_name(f".{path.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(folder, aside)
        shutil.rmtree(path, ignore_errors=True)
        aside.rename(path)
        return
    relative = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    with _asking(uri) as (store, name):
        prefix = name.rstrip("/")
        wanted = {f"{prefix}/{file}" for file in relative}
        stale = [entry for entry in (store.find(name) if store.exists(name) else []) if entry not in wanted]
        if stale:
            store.rm(stale)
        store.put([str(folder / file) for file in relative], [f"{prefix}/{file}" for file in relative])


def remove(uri: str) -> None:
    """A file; nothing where there is none."""
    path = local_path(uri)
    if path is not None:
        path.unlink(missing_ok=True)
        return
    with _asking(uri) as (store, name), suppress(FileNotFoundError):
        store.rm_file(name)


def remove_folder(uri: str) -> None:
    """With all that is in it; nothing where there is no such folder."""
    path = local_path(uri)
    if path is not None:
        shutil.rmtree(path, ignore_errors=True)
        return
    found = [entry["name"] for entry in listing(uri, deep=True)]
    if found:
        with _asking(uri) as (store, _):
            store.rm(found)


@contextmanager
def _asking(uri: str) -> Iterator[tuple[Any, str]]:
    """The store of a URI, and the name that it knows it by."""
    try:
        yield opened(uri)
    except TidemillError:
        raise
    except FileNotFoundError as error:
        if not _no_bucket(error):
            raise
        raise TemporaryError(
            f"There is no bucket for {uri}. Make it, or name another as the place for data (storage.url of the chart)."
        ) from error
    except Exception as error:  # each store raises its own kinds; all mean the same here
        raise TemporaryError(
            f"{uri} could not be read or written: {type(error).__name__}: {error}. Nothing was half-written; it is "
            "tried again. Check the store's address, region and credentials (AWS_ENDPOINT_URL, AWS_REGION, "
            "AWS_ACCESS_KEY_ID, ...)."
        ) from error


def _no_bucket(error: FileNotFoundError) -> bool:
    """An empty folder is no mistake, a bucket that is not there is one; s3fs says both by the same error."""
    return type(error.__cause__).__name__ == "NoSuchBucket"


def opened(uri: str) -> tuple[Any, str]:
    """The store of a URI, and the name that it knows it by. What the store raises is its own."""
    store = _store(urlsplit(uri).scheme)
    return store, str(store._strip_protocol(uri))


_stores: dict[tuple[str, int], Any] = {}


def _store(scheme: str) -> Any:
    """One connection pool a scheme and process: a forked child must not use its parent's."""
    key = (scheme, os.getpid())
    if key not in _stores:
        import fsspec

        if "AWS_REGION" in os.environ:  # which every SDK of theirs reads but the one that s3fs stands on
            os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])
        try:
            _stores[key] = fsspec.filesystem(scheme)
        except (ImportError, ValueError) as error:
            raise TidemillError(
                f"Files under {scheme}:// cannot be read here: {error}. Install that store's fsspec package, such as "
                "s3fs for s3:// (`pip install 'tidemill[cluster]'`)."
            ) from error
    return _stores[key]
