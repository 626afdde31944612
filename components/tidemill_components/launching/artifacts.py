"""Artifacts between a store and the paths at which Kubeflow's components find them: `s3://b/k` is `/s3/b/k`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_MOUNTED = ("s3", "gs", "gcs", "minio", "oci")


def path_of(uri: str) -> str:
    """Where a component looks for what has this URI: kfp's own mapping, and plain paths for themselves."""
    scheme, found, rest = uri.partition("://")
    if not found:
        return uri
    if scheme == "file":
        return unquote(urlsplit(uri).path)
    if scheme not in _MOUNTED:
        raise SystemExit(f"{uri} has the scheme {scheme}://, for which Kubeflow's components know no path.")
    return f"/{'gcs' if scheme == 'gs' else scheme}/{rest}"


def described(reference: str) -> dict[str, Any]:
    """The artifact (name, type, uri, metadata) that `<uri of executor_output.json>#<output>` stands for."""
    uri, _, name = reference.rpartition("#")
    artifact: dict[str, Any] = json.loads(read(uri))["artifacts"][name]["artifacts"][0]
    return artifact


def fetch(uri: str) -> None:
    """A file or a folder. What has metadata alone has nothing to be fetched."""
    path = Path(path_of(uri))
    if _local(uri):
        return
    store, name = _opened(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    if store.isfile(name):
        store.get_file(name, str(path))
        return
    prefix = name.rstrip("/") + "/"
    for entry in store.find(name):
        place = path / entry.removeprefix(prefix)
        place.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(entry, str(place))


def clear(uri: str) -> None:
    """What an attempt before this one left there, and room for what this one makes."""
    path = Path(path_of(uri))
    if _local(uri):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
    else:
        store, name = _opened(uri)
        if store.exists(name):
            store.rm(name, recursive=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def send(path: Path, uri: str) -> None:
    if _local(uri):
        return
    store, name = _opened(uri)
    if path.is_file():
        store.put_file(str(path), name)
    for file in sorted(path.rglob("*")) if path.is_dir() else []:
        if file.is_file():
            store.put_file(str(file), f"{name.rstrip('/')}/{file.relative_to(path).as_posix()}")


def read(uri: str) -> bytes:
    if _local(uri):
        return Path(path_of(uri)).read_bytes()
    store, name = _opened(uri)
    return bytes(store.cat_file(name))


def write(uri: str, content: bytes) -> None:
    if _local(uri):
        path = Path(path_of(uri))
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_bytes(content)
        aside.replace(path)
        return
    store, name = _opened(uri)
    store.pipe_file(name, content)


def _local(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file://")


def _opened(uri: str) -> tuple[Any, str]:
    from tidemill.loop.turn.files import opened  # where the store is told its region

    return opened(uri)
