"""Workflows and their Pods, asked of the Kubernetes API; its refusals with what to do about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tidemill.adapters.kubernetes.api import ApiError, KubernetesApi
from tidemill.loop.errors import TidemillError

_VERSION, _KIND = "argoproj.io/v1alpha1", "Workflow"


class AlreadyThere(TidemillError):
    """A Workflow of that name exists."""


class Workflows:
    """Those of one namespace."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api, self._namespace = api, namespace

    def create(self, workflow: dict[str, Any], check: bool = False) -> None:
        """Raises AlreadyThere. With `check` the API server says what is wrong with it, and keeps nothing."""
        with _asking():
            self._api.create(workflow, check)

    def get(self, name: str) -> dict[str, Any] | None:
        with _asking():
            return self._api.get(_VERSION, _KIND, self._namespace, name)

    def patch(self, name: str, change: dict[str, Any]) -> None:
        with _asking():
            self._api.merge(_VERSION, _KIND, self._namespace, name, change)

    def delete(self, name: str) -> None:
        with _asking():
            self._api.delete(_VERSION, _KIND, self._namespace, name)

    def pods(self, name: str) -> list[dict[str, Any]]:
        with _asking():
            found = self._api.list("v1", "Pod", self._namespace, f"workflows.argoproj.io/workflow={name}")
        return list(found["items"])

    def log(self, pod: str, lines: int = 50) -> str:
        """The end of what the step printed; empty where there is none to be had."""
        return self._api.log(self._namespace, pod, "main", lines)


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        said = str(error).rstrip(".")
        if error.status == 409:
            raise AlreadyThere(said) from error
        if error.status == 403:
            raise TidemillError(
                f"{said}. Tidemill's service account needs the verbs create, get, patch and delete on "
                "workflows.argoproj.io, list on pods, and get on pods/log, there: give it a Role with these."
            ) from error
        if error.status == 404:
            raise TidemillError(
                f"{said}. Does the namespace exist, and does the cluster have Argo Workflows "
                "(`kubectl get crd workflows.argoproj.io`)?"
            ) from error
        raise
