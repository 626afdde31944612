"""The kopf operator: watches ModelLoops, and has the keeper tick each of them, soon after a change and now and then.

Level-triggered: a change only wakes the loop's daemon; what is to be done is found out from the present state.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kopf

from tidemill.adapters.kubernetes_api import ApiError, KubernetesApi
from tidemill.loop.errors import LeaseHeld, TidemillError

from .keeper import Done, Keeper, Wanted
from .place import Owner

GROUP, VERSION, PLURAL = "tidemill.dev", "v1alpha1", "modelloops"
_RETRY = 10.0  # seconds

_log = logging.getLogger(__name__)


class Operator:
    """`registry` holds its handlers: run it with `kopf.run(registry=...)`."""

    def __init__(self, keeper: Keeper, api: KubernetesApi, workers: int) -> None:
        self._keeper, self._api = keeper, api
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="tick")
        self._wake: dict[str, asyncio.Event] = {}
        self._bodies: dict[str, Mapping[str, Any]] = {}
        self.registry = registry = kopf.OperatorRegistry()
        kopf.on.startup(registry=registry)(_configure)
        kopf.on.login(registry=registry)(_login)
        kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(self._saw)
        kopf.on.delete(GROUP, VERSION, PLURAL, backoff=_RETRY, registry=registry)(self._release)
        kopf.daemon(GROUP, VERSION, PLURAL, cancellation_timeout=60.0, registry=registry)(self._keep)

    async def _saw(self, body: kopf.Body, type: str | None, **_: Any) -> None:
        """Whatever changed is looked at soon; our own status is no change."""
        uid = str(body.metadata["uid"])
        if type == "DELETED":
            self._bodies.pop(uid, None)
            self._wake.pop(uid, None)
            return
        before = self._bodies.get(uid)
        self._bodies[uid] = dict(body)
        if before is None or _wish(before) != _wish(body):
            self._event(uid).set()

    async def _keep(self, body: kopf.Body, stopped: kopf.DaemonStopped, **_: Any) -> None:
        uid = str(body.metadata["uid"])
        wake = self._event(uid)
        while not stopped:
            wake.clear()
            wanted = _wanted(self._bodies.get(uid, dict(body)))
            done: Done = await asyncio.get_running_loop().run_in_executor(self._threads, self._step, wanted)
            if done.error:
                _log.warning("%s/%s: %s", wanted.owner.namespace, wanted.owner.name, done.error)
            waiting = asyncio.create_task(wake.wait())
            stopping = asyncio.create_task(_stop(stopped, done.again))
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            stopping.cancel()

    def _step(self, wanted: Wanted) -> Done:
        done = self._keeper.keep(wanted)
        if done.status and not _says(wanted.status, done.status):
            try:
                self._api.merge(
                    f"{GROUP}/{VERSION}", "ModelLoop", wanted.owner.namespace, wanted.owner.name,
                    {"status": done.status}, part="status",
                )  # fmt: skip
            except ApiError as error:
                if error.status != 404:  # it was deleted meanwhile
                    _log.error("the status of %s is not written: %s", wanted.owner.name, error)
            except TidemillError as error:
                _log.warning("the status of %s is written later: %s", wanted.owner.name, error)
        return done

    async def _release(self, body: kopf.Body, **_: Any) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._keeper.release, _wanted(body))
        except LeaseHeld as error:
            raise kopf.TemporaryError(str(error), delay=_RETRY) from error
        except TidemillError as error:
            raise kopf.TemporaryError(f"It is not released yet: {error}", delay=_RETRY) from error

    def _event(self, uid: str) -> asyncio.Event:
        return self._wake.setdefault(uid, asyncio.Event())


async def _stop(stopped: kopf.DaemonStopped, seconds: float) -> None:
    await stopped.wait(seconds)


def _wanted(body: Mapping[str, Any]) -> Wanted:
    metadata = body["metadata"]
    owner = Owner(str(metadata["namespace"]), str(metadata["name"]), str(metadata["uid"]))
    return Wanted(
        owner,
        int(metadata.get("generation", 1)),
        dict(metadata.get("annotations") or {}),
        _plain(body.get("spec") or {}),
        _plain(body.get("status") or {}),
    )


def _wish(body: Mapping[str, Any]) -> tuple[Any, ...]:
    metadata = body["metadata"]
    ours = {k: v for k, v in (metadata.get("annotations") or {}).items() if k.startswith(GROUP) and "kopf" not in k}
    return metadata.get("generation"), ours, metadata.get("deletionTimestamp")


def _plain(value: Any) -> Any:
    """kopf's views of a body as plain dicts and lists, which compare and travel."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _says(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(present.get(key) == value for key, value in wanted.items())


async def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = f"{GROUP}/release"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"kopf.{GROUP}")
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=f"kopf.{GROUP}")
    settings.scanning.disabled = (
        True  # what there is to watch is known; a namespaced controller may not list namespaces
    )
    settings.posting.enabled = False  # our own events say what happened, in our words
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13, 21)


async def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """By the Pod's service account, else by the kubeconfig: neither needs the heavy client library."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
