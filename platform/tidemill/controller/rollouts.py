"""Rollouts as objects of the cluster: shown from the state store; what a person patches there is asked of the loop.

A ModelRollout that somebody deletes comes back, and one that is long over goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidemill.adapters.kubernetes.api import ApiError
from tidemill.loop.context import Context

from .merge_patch import patch_to
from .rollout_object import rollout_name, rollout_spec, rollout_status
from .switches import corrections, hear, remember
from .wanted import LOOP, VERSION, Owner

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi
    from tidemill.loop.ports import State

KIND = "ModelRollout"
KEPT = 5  # rollouts that are over and still shown
_OPEN = ("running", "paused")
_OURS = {"app.kubernetes.io/managed-by": "tidemill"}
Items = Mapping[str, Mapping[str, Any]]


class Rollouts:
    """Of one loop. `present` is what the API server has of them, by name; `named`: as of asked_by."""

    def __init__(self, api: KubernetesApi, owner: Owner, named: bool = False) -> None:
        self._api, self._owner, self._named = api, owner, named

    def hear(self, state: State, present: Items, now: datetime) -> None:
        if not present:
            return
        for rollout in state.documents(self._owner.name, "rollout"):
            item = present.get(rollout_name(self._owner.name, rollout["id"]))
            if item is not None and rollout["status"] in _OPEN:
                hear(state, self._owner.name, rollout, item, now, self._named)

    def show(self, context: Context, present: Items, now: datetime) -> None:
        rollouts = context.state.documents(context.name, "rollout")
        over = [rollout for rollout in rollouts if rollout["status"] not in _OPEN]
        forgotten = over[:-KEPT]
        shown = [rollout for rollout in rollouts if rollout not in forgotten]
        for rollout in shown:
            name = rollout_name(context.name, rollout["id"])
            self._show(context, rollout, present.get(name), now)
        names = {rollout_name(context.name, rollout["id"]) for rollout in shown}
        for name in present.keys() - names:
            if _OURS.items() <= (present[name]["metadata"].get("labels") or {}).items():
                self._api.delete(VERSION, KIND, self._owner.namespace, name)

    def _show(
        self, context: Context, rollout: Mapping[str, Any], item: Mapping[str, Any] | None, now: datetime
    ) -> None:
        if item is None or not self._is_ours(item):
            item = self._apply(context, rollout, item)
        name = item["metadata"]["name"]
        if rollout["status"] in _OPEN:
            wrong = corrections(rollout, item["spec"])
            if wrong:
                item = self._api.merge(VERSION, KIND, self._owner.namespace, name, wrong)
                remember(context.state, context.name, rollout["id"], item)
        before = item.get("status") or {}
        status = rollout_status(context, rollout, int(item["metadata"].get("generation", 1)), before, now)
        patch = patch_to(before, status)
        if patch:
            self._write(context, rollout, name, patch, status)

    def _write(
        self, context: Context, rollout: Mapping[str, Any], name: str, patch: dict[str, Any], status: dict[str, Any]
    ) -> None:
        try:
            self._api.merge(VERSION, KIND, self._owner.namespace, name, {"status": patch}, part="status")
        except ApiError as error:
            if error.status != 404:
                raise
            # Somebody deleted it, which the watch has yet to say.
            self._apply(context, rollout, None)
            self._api.merge(VERSION, KIND, self._owner.namespace, name, {"status": status}, part="status")

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        metadata = item["metadata"]
        labels, owners = metadata.get("labels") or {}, metadata.get("ownerReferences") or []
        return self._labels.items() <= labels.items() and any(o["uid"] == self._owner.uid for o in owners)

    @property
    def _labels(self) -> dict[str, str]:
        return {LOOP: self._owner.name, **_OURS}

    def _apply(self, context: Context, rollout: Mapping[str, Any], item: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Makes it, or gives it its labels and owner again. What is tried stays as the object has it: it cannot be
        changed once a rollout began, even where the ModelLoop's steps were."""
        owner, spec = self._owner, rollout_spec(context, rollout)
        if item is not None:
            spec = {key: item["spec"][key] for key in spec if key in item["spec"]}
        metadata = {
            "name": rollout_name(owner.name, rollout["id"]), "namespace": owner.namespace, "labels": self._labels,
            "ownerReferences": [owner.reference],
        }  # fmt: skip
        return self._api.apply({"apiVersion": VERSION, "kind": KIND, "metadata": metadata, "spec": spec})
