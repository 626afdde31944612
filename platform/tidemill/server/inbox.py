"""Events and alerts from elsewhere: recorded first, acted on next, answered last. Sent again, they change nothing."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidemill.adapters.sql.catalog import LoopStore, unknown
from tidemill.loop.asking import ask
from tidemill.loop.ids import digest_of

from .access import sending
from .alerts import Alert, parse_alerts
from .alerts import act as act_on_alert
from .answers import MIB, Refused, answer, parse_json, parse_object, read_body
from .api import Api
from .cloud_events import CloudEvent, parse_events
from .metrics import Metrics
from .s3_notifications import events_of, is_notification

MAX_BODY = MIB
DATA_ARRIVED = "dev.tidemill.data.arrived"
TRAIN_REQUESTED = "dev.tidemill.train.requested"
# How others say that data has arrived: object stores by their events' types, Argo Events by its sources' kinds.
ARRIVALS = (
    DATA_ARRIVED, "com.amazonaws.s3.", "com.amazon.s3.", "google.cloud.storage.object.v1.finalized",
    "Microsoft.Storage.BlobCreated", "io.minio.",
)  # fmt: skip
ARGO_SOURCES = frozenset({"azureQueueStorage", "file", "generic", "kafka", "minio", "nats", "pubsub", "redisStream",
                          "sns", "sqs", "storageGrid", "webhook"})  # fmt: skip


class Inbox:
    def __init__(self, api: Api, metrics: Metrics) -> None:
        self._api, self._metrics = api, metrics

    def routes(self) -> list[Route]:
        return [
            Route("/v1/namespaces/{namespace}/events", self.events, methods=["POST"]),
            Route("/v1/namespaces/{namespace}/alerts", self.alerts, methods=["POST"]),
        ]

    async def events(self, request: Request) -> Response:
        namespace = request.path_params["namespace"]
        caller = await self._api.allow(request, sending(namespace, "events"))
        body = await read_body(request, MAX_BODY)
        names = await run_in_threadpool(self._api.catalog.names, namespace)
        notified = _notified(request, body)
        if notified is None:
            events, batched = parse_events(request.headers, body)
        else:  # a bucket holds more than loops read: its sender cannot leave out what is for none, so we do
            events, batched = [event for event in notified if named_by(event, namespace, names) in names], True
        # A batch is taken whole or not at all: everything that may refuse comes before anything is recorded.
        addressed = [(event, loop_of(event, namespace, names), meaning(event)) for event in events]
        for _, name, what in addressed:
            if what == TRAIN_REQUESTED:  # who may tell of data may not therefore ask for training
                await self._api.allow(request, sending(namespace, "train", name))
        taken = [await self._take(namespace, name, event, what, caller.name) for event, name, what in addressed]
        return answer({"events": taken} if batched else taken[0], 202)

    async def _take(self, namespace: str, name: str, event: CloudEvent, what: str, caller: str) -> dict[str, Any]:
        def take() -> bool:
            store = self._api.catalog.find(namespace, name)
            about = {"type": event.type, "source": event.source, "event": event.id, "subject": event.subject}
            received, duplicate, done = self._record(store, digest_of([event.source, event.id], 32), about)
            if not done and what == TRAIN_REQUESTED:
                note = event.extensions.get("note") or f"event {event.id} of {event.source}"
                ask(store.state, name, "train", caller or "event", note, datetime.fromisoformat(received["at"]))
            if not done:
                self._done(store, received)
            return duplicate

        duplicate = await run_in_threadpool(take)
        woken = False if duplicate else await self._api.wake(namespace, name)
        self._metrics.events.labels(what, "duplicate" if duplicate else "acted").inc()
        return {"id": event.id, "source": event.source, "loop": name, "duplicate": duplicate, "woken": woken}

    async def alerts(self, request: Request) -> Response:
        namespace = request.path_params["namespace"]
        await self._api.allow(request, sending(namespace, "alerts"))
        alerts = parse_alerts(parse_object(await read_body(request, MAX_BODY)))
        names = await run_in_threadpool(self._api.catalog.names, namespace)
        taken = [await self._take_alert(namespace, alert) for alert in alerts if alert.loop in names]
        strangers = [alert for alert in alerts if alert.loop not in names]
        if strangers:  # the others are recorded; Alertmanager logs this
            raise unknown(namespace, strangers[0].loop, names)
        return answer({"alerts": taken}, 202)

    async def _take_alert(self, namespace: str, alert: Alert) -> dict[str, Any]:
        def take() -> bool:
            store = self._api.catalog.find(namespace, alert.loop)
            about = {"type": "alert", "source": "alertmanager", "event": alert.id, "subject": alert.name}
            received, duplicate, done = self._record(store, digest_of(["alertmanager", alert.id], 32), about)
            if not done:
                act_on_alert(store.state, alert, received["at"])
                self._done(store, received)
            return duplicate

        duplicate = await run_in_threadpool(take)
        if alert.retrain and not duplicate:
            await self._api.wake(namespace, alert.loop)
        became = "duplicate" if duplicate else "acted" if alert.retrain else "recorded"
        self._metrics.events.labels("alert", became).inc()
        return {"alert": alert.name, "loop": alert.loop, "duplicate": duplicate, "retrain": alert.retrain}

    def _record(self, store: LoopStore, id: str, about: dict[str, Any]) -> tuple[dict[str, Any], bool, bool]:
        """(what stands recorded, whether it was there before, whether it was acted on). What was recorded but not acted
        on is acted on when it is sent again, under the time of the first receipt: the same request, not a second."""
        document = {"id": id, **about, "at": self._api.clock.now().isoformat(), "done": False}
        new = store.state.put_once(store.name, "event", id, document)
        received = document if new else (store.state.get(store.name, "event", id) or document)
        return received, not new, bool(received["done"])

    @staticmethod
    def _done(store: LoopStore, received: dict[str, Any]) -> None:
        store.state.put(store.name, "event", received["id"], {**received, "done": True})


def _notified(request: Request, body: bytes) -> list[CloudEvent] | None:
    """The records of an object store's own notification; None where it is something else."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/json" or "ce-id" in request.headers:
        return None
    document = parse_json(body)
    return events_of(document) if is_notification(document) else None


def meaning(event: CloudEvent) -> str:
    if event.type == TRAIN_REQUESTED:
        return TRAIN_REQUESTED
    if event.type.startswith(ARRIVALS) or event.type in ARGO_SOURCES:
        return DATA_ARRIVED
    raise Refused(
        400,
        f"The server does not handle events of type {event.type!r}. It handles {TRAIN_REQUESTED}, {DATA_ARRIVED}, and "
        "the notifications of object stores and Argo Events about new objects.",
    )


def named_by(event: CloudEvent, namespace: str, names: list[str]) -> str:
    """By the extension attribute `loop`; else by the subject: a loop's name, or the path of an object with it, in
    storage <...>/<namespace>/<loop>/<...>. Empty where there is none."""
    named = event.extensions.get("loop", "")
    if named:
        return named
    parts = event.subject.strip("/").split("/")
    pairs = [after for before, after in pairwise(parts) if before == namespace]
    return next((part for part in [*pairs, *parts] if part in names), parts[-1] if len(parts) == 1 else "")


def loop_of(event: CloudEvent, namespace: str, names: list[str]) -> str:
    """Raises LoopUnknown naming the nearest."""
    named = named_by(event, namespace, names)
    if not named:
        raise Refused(
            400,
            f"Event {event.id!r} names no loop: set the extension attribute loop, or a subject that is a loop's "
            f"name or an object's path with .../{namespace}/<loop>/... in it.",
        )
    if named not in names:
        raise unknown(namespace, named, names)
    return named
