"""Workflows and their Pods, asked of the Kubernetes API; its errors in words."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from tidemill.loop.errors import TemporaryError, TidemillError

GROUP, VERSION, PLURAL = "argoproj.io", "v1alpha1", "workflows"
_SECONDS = 30  # for one answer
P = ParamSpec("P")
T = TypeVar("T")


class AlreadyThere(TidemillError):
    """A Workflow of that name exists."""


def _asks(method: Callable[P, T]) -> Callable[P, T]:
    """The Kubernetes API's errors as the loop's: what may go away by itself is tried again by the next tick."""

    @wraps(method)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return method(*args, **kwargs)
        except HTTPError as error:
            raise TemporaryError(f"The Kubernetes API does not answer: {error}. The next tick asks again.") from error
        except ApiException as error:
            if error.status == 409:
                raise AlreadyThere("A Workflow of that name exists.") from error
            if error.status == 403:
                raise TidemillError(
                    f"Kubernetes does not allow it: {_words(error)}. Give Tidemill's service account the verbs create, "
                    "get, patch and delete on workflows.argoproj.io, and get and list on pods and pods/log, there."
                ) from error
            if error.status in (400, 422):
                raise TidemillError(f"Kubernetes refuses the Workflow: {_words(error)}.") from error
            raise TemporaryError(f"The Kubernetes API answered {error.status}: {_words(error)}.") from error

    return asked


def _words(error: Any) -> str:
    import json

    try:
        return str(json.loads(error.body)["message"]).rstrip(".")
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


class Workflows:
    """Those of one namespace. `client` is a `kubernetes.client.ApiClient`."""

    def __init__(self, client: Any, namespace: str) -> None:
        from kubernetes.client import CoreV1Api, CustomObjectsApi

        self._objects, self._core = CustomObjectsApi(client), CoreV1Api(client)
        self._namespace = namespace
        self._all = (GROUP, VERSION, namespace, PLURAL)

    @_asks
    def create(self, workflow: dict[str, Any], dry_run: bool = False) -> None:
        """Raises AlreadyThere. With `dry_run` the API server checks it, and keeps nothing."""
        more = {"dry_run": "All", "field_validation": "Strict"} if dry_run else {}
        self._objects.create_namespaced_custom_object(*self._all, workflow, _request_timeout=_SECONDS, **more)

    @_asks
    def get(self, name: str) -> dict[str, Any] | None:
        from kubernetes.client import ApiException

        try:
            found = self._objects.get_namespaced_custom_object(*self._all, name, _request_timeout=_SECONDS)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return dict(found)

    @_asks
    def patch(self, name: str, change: dict[str, Any]) -> None:
        self._objects.patch_namespaced_custom_object(*self._all, name, change, _request_timeout=_SECONDS)

    @_asks
    def delete(self, name: str) -> None:
        from kubernetes.client import ApiException

        try:
            self._objects.delete_namespaced_custom_object(
                *self._all, name, propagation_policy="Foreground", _request_timeout=_SECONDS
            )
        except ApiException as error:
            if error.status != 404:
                raise

    @_asks
    def pods(self, name: str) -> list[Any]:
        selector = f"workflows.argoproj.io/workflow={name}"
        found = self._core.list_namespaced_pod(self._namespace, label_selector=selector, _request_timeout=_SECONDS)
        return list(found.items)

    def log(self, pod: str, container: str = "main", lines: int = 50) -> str:
        """Its end; empty where there is none to be had."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return str(
                self._core.read_namespaced_pod_log(
                    pod, self._namespace, container=container, tail_lines=lines, _request_timeout=_SECONDS
                )
            )
        except (ApiException, HTTPError):
            return ""
