"""A ModelLoop and its ModelRollouts as the API server told of them last."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .asked_by import MANAGERS, managers_of
from .queue import Key

GROUP, VERSION = "tidemill.dev", "tidemill.dev/v1alpha1"
FINALIZER = f"{GROUP}/release"
PAUSED, FORCE_DELETE, WOKEN = f"{GROUP}/paused", f"{GROUP}/force-delete", f"{GROUP}/woken-at"
LOOP = f"{GROUP}/loop"  # a label
_HEAD = ("name", "namespace", "uid", "generation", "resourceVersion", "labels", "annotations", "finalizers",
         "deletionTimestamp", "ownerReferences")  # fmt: skip


@dataclass(frozen=True)
class Owner:
    """The object that a loop comes from: what is made for the loop belongs to it."""

    namespace: str
    name: str
    uid: str

    @property
    def reference(self) -> dict[str, Any]:
        return {
            "apiVersion": VERSION, "kind": "ModelLoop", "name": self.name, "uid": self.uid,
            "controller": True, "blockOwnerDeletion": True,
        }  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """A ModelLoop. `rollouts` are its ModelRollouts by name."""

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    rollouts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def owner(self) -> Owner:
        return Owner(self.metadata["namespace"], self.metadata["name"], self.metadata["uid"])

    @property
    def generation(self) -> int:
        return int(self.metadata.get("generation", 1))

    @property
    def finalizers(self) -> list[str]:
        return list(self.metadata.get("finalizers") or [])

    @property
    def is_deleted(self) -> bool:
        return bool(self.metadata.get("deletionTimestamp"))

    def says(self, annotation: str) -> bool:
        return str((self.metadata.get("annotations") or {}).get(annotation, "")).lower() == "true"


class Seen:
    """Fed by watches, read by ticks; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loops: dict[Key, dict[str, Any]] = {}
        self._rollouts: dict[Key, dict[str, dict[str, Any]]] = {}

    def loop(self, body: Mapping[str, Any]) -> tuple[bool, bool]:
        """Whether it is new to us, and whether a person (or the server) changed it: our own status is no change. What
        is older than what we know already, as a watch may tell that lags behind our own writes, is left."""
        found = _kept(body)
        with self._lock:
            before = self._loops.get(key_of(found))
            if before is not None and _is_older(found, before):
                return False, False
            self._loops[key_of(found)] = found
        return before is None, before is None or _wish(before) != _wish(found)

    def loop_is_gone(self, key: Key) -> str | None:
        """Its uid, where it was known."""
        with self._lock:
            found = self._loops.pop(key, None)
        return None if found is None else str(found["metadata"]["uid"])

    def rollout(self, body: Mapping[str, Any], gone: bool = False) -> tuple[Key, bool]:
        """The loop that it belongs to, and whether that one should be looked at."""
        found = {**_kept(body), MANAGERS: managers_of(body)}
        key, name = (found["metadata"]["namespace"], str(found["spec"].get("loop"))), found["metadata"]["name"]
        with self._lock:
            rollouts = self._rollouts.setdefault(key, {})
            before = rollouts.pop(name, None)
            if not gone:
                rollouts[name] = found
            if not rollouts:
                del self._rollouts[key]
        if gone:
            return key, True
        return key, before is not None and _wish(before) != _wish(found)

    def wanted(self, key: Key) -> Wanted | None:
        with self._lock:
            found = self._loops.get(key)
            if found is None:
                return None
            rollouts = dict(self._rollouts.get(key, {}))
        return Wanted(found["metadata"], found["spec"], found["status"], rollouts)


def _is_older(body: Mapping[str, Any], than: Mapping[str, Any]) -> bool:
    mine, theirs = (str(item["metadata"].get("resourceVersion", "")) for item in (body, than))
    same = body["metadata"].get("uid") == than["metadata"].get("uid")
    return same and mine.isdigit() and theirs.isdigit() and int(mine) < int(theirs)


def key_of(body: Mapping[str, Any]) -> Key:
    return str(body["metadata"]["namespace"]), str(body["metadata"]["name"])


def _kept(body: Mapping[str, Any]) -> dict[str, Any]:
    """What matters of an object, as plain dicts: a thousand of them are kept."""
    metadata = body["metadata"]
    return {
        "metadata": {key: plain(metadata[key]) for key in _HEAD if metadata.get(key)},
        "spec": plain(body.get("spec") or {}),
        "status": plain(body.get("status") or {}),
    }


def _wish(body: Mapping[str, Any]) -> tuple[Any, ...]:
    metadata = body["metadata"]
    ours = {k: v for k, v in (metadata.get("annotations") or {}).items() if k.startswith(f"{GROUP}/")}
    return metadata.get("uid"), metadata.get("generation"), ours, metadata.get("deletionTimestamp")


def plain(value: Any) -> Any:
    """kopf's views of a body as plain dicts and lists, which compare and travel."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
