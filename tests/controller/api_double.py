"""An API server in memory, with the calls of adapters.kubernetes.api and what a real one does of their semantics:
generations, resource versions, finalizers, the status subresource, events that are only created."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from tidemill.adapters.kubernetes.api import ApiError
from tidemill.loop.errors import TemporaryError
from tidemill.spec.loop_status import ModelLoopStatus
from tidemill.spec.model_rollout import ModelRollout, ModelRolloutStatus

Key = tuple[str, str, str]


class ApiDouble:
    """`away`: it does not answer. `refuses`: what it answers 403 to. `writes` are counted but for events."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.writes: list[tuple[str, str, str]] = []
        self.away = False
        self.refuses: set[str] = set()
        self._version = 0
        self._lock = threading.RLock()

    # as adapters.kubernetes.api

    def get(self, version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        self._reach(kind)
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    def list(self, version: str, kind: str, namespace: str | None, selector: str) -> dict[str, Any]:
        self._reach(kind)
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        found = [
            item
            for (of, where, _), item in self.objects.items()
            if of == kind
            and namespace in (None, where)
            and wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]
        return {"items": copy.deepcopy(found), "metadata": {"resourceVersion": str(self._version)}}

    def create(self, document: Mapping[str, Any], check: bool = False) -> dict[str, Any]:
        self._reach(document["kind"])
        if document["kind"] == "Event":
            self.events.append(copy.deepcopy(dict(document)))
            return dict(document)
        return self.apply(document)

    def apply(self, document: Mapping[str, Any]) -> dict[str, Any]:
        metadata = document["metadata"]
        key = (document["kind"], metadata["namespace"], metadata["name"])
        self._reach(key[0])
        with self._lock:
            self.writes.append(("apply", key[0], key[2]))
            found = self.objects.get(key)
            if found is None:
                found = {
                    "kind": key[0], "spec": {},
                    "metadata": {"namespace": key[1], "name": key[2], "uid": uuid.uuid4().hex, "generation": 0},
                }  # fmt: skip
            changed = copy.deepcopy(found)
            changed["metadata"].update(copy.deepcopy({k: v for k, v in metadata.items() if k != "generation"}))
            for part in {"spec", "data"} & document.keys():
                changed[part] = {**changed.get(part, {}), **copy.deepcopy(dict(document[part]))}
            return self._keep(key, found, changed)

    def merge(
        self, version: str, kind: str, namespace: str, name: str, patch: Mapping[str, Any], part: str = ""
    ) -> dict[str, Any]:
        self._reach(kind)
        key = (kind, namespace, name)
        with self._lock:
            found = self.objects.get(key)
            if found is None:
                raise ApiError(404, f"{name} is not there.")
            told = (patch.get("metadata") or {}).get("resourceVersion")
            if told is not None and told != found["metadata"]["resourceVersion"]:
                raise ApiError(409, f"{name} was changed meanwhile.")
            self.writes.append((part or "merge", kind, name))
            mine = {"status": patch["status"]} if part else {k: v for k, v in patch.items() if k != "status"}
            return self._keep(key, found, _merged(found, mine))

    def delete(self, version: str, kind: str, namespace: str, name: str) -> None:
        self._reach(kind)
        key = (kind, namespace, name)
        with self._lock:
            found = self.objects.get(key)
            if found is None:
                return
            self.writes.append(("delete", kind, name))
            if found["metadata"].get("finalizers"):
                found["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z"
                self._number(found)
            else:
                del self.objects[key]

    # for tests

    def patch(self, kind: str, name: str, spec: Mapping[str, Any]) -> None:
        """As kubectl does."""
        self.merge("", kind, "team", name, {"spec": spec})
        self.writes.pop()

    def loop(self, name: str = "small") -> dict[str, Any]:
        return self.objects["ModelLoop", "team", name]

    def rollouts(self) -> list[dict[str, Any]]:
        return [item for (kind, _, _), item in self.objects.items() if kind == "ModelRollout"]

    def condition(self, kind: str, name: str = "small") -> dict[str, Any]:
        return next(c for c in self.loop(name)["status"]["conditions"] if c["type"] == kind)

    def _keep(self, key: Key, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        if after["spec"] != before["spec"]:
            after["metadata"]["generation"] += 1
        if after != before or key not in self.objects:
            self._number(after)
        if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers"):
            self.objects.pop(key, None)
        else:
            self.objects[key] = after
        _fits(key[0], after)
        return copy.deepcopy(after)

    def _number(self, item: dict[str, Any]) -> None:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)

    def _reach(self, kind: str) -> None:
        if self.away:
            raise TemporaryError("The API server does not answer.")
        if kind in self.refuses:
            raise ApiError(403, f"You may not write {kind}s.")


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    after = dict(copy.deepcopy(dict(before)))
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, Mapping):
            after[key] = _merged(after.get(key) or {}, value)
        else:
            after[key] = copy.deepcopy(value)
    return after


def _fits(kind: str, item: Mapping[str, Any]) -> None:
    """As the CRD would have it: unknown and wrong fields are refused."""
    status = item.get("status")
    if kind == "ModelRollout":
        ModelRollout.model_validate({"spec": item["spec"], "metadata": {"name": item["metadata"]["name"]}})
        ModelRolloutStatus.model_validate(status or {}, by_alias=True, by_name=False)
    if kind == "ModelLoop":
        ModelLoopStatus.model_validate(status or {}, by_alias=True, by_name=False)
