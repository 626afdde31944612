"""EventSource and Sensor of Argo Events that tell a server's inbox of data that arrived, at least once.

What its controllers do, and the manifests mind: an HTTP trigger takes every status for success unless a policy names
the right ones; it delivers at most once unless it is told otherwise; a secure header is the secret's value as it is,
so the secret holds `Bearer ...`, not the token alone; an SQS message gets a new event id with each delivery, so its own
is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SOURCES = ("s3-sqs", "kafka", "webhook")
_API = "argoproj.io/v1alpha1"
_EVENT = "data"
_RETRY = {"steps": 8, "duration": "5s", "factor": 2, "jitter": 0.2}  # gives up after ten minutes


@dataclass(frozen=True)
class Inbox:
    """Where events go: server and loop; `secret` holds the header `Authorization` under the key authorization."""

    server: str
    namespace: str
    loop: str
    secret: str
    dlq: str | None = None

    @property
    def name(self) -> str:
        return f"tidemill-{self.loop}"

    @property
    def url(self) -> str:
        return f"{self.server.rstrip('/')}/v1/namespaces/{self.namespace}/events"


def sqs_source(queue: str, region: str, secret: str | None) -> dict[str, Any]:
    """A queue to which a bucket sends its notifications. Without `secret` the Pod's own role is used."""
    source: dict[str, Any] = {"queue": queue, "region": region, "waitTimeSeconds": 20, "jsonBody": True}
    if secret is not None:
        source |= {
            "accessKey": {"name": secret, "key": "accesskey"},
            "secretKey": {"name": secret, "key": "secretkey"},
        }
    return {"sqs": {_EVENT: source}}


def kafka_source(brokers: str, topic: str, group: str) -> dict[str, Any]:
    """A topic, read by a consumer group: what was read goes on where it stopped."""
    consumers = {"groupName": group, "oldest": True, "rebalanceStrategy": "range"}
    return {"kafka": {_EVENT: {"url": brokers, "topic": topic, "consumerGroup": consumers, "jsonBody": False}}}


def webhook_source(port: int, endpoint: str, secret: str) -> dict[str, Any]:
    """An address to post to, with a bearer token of its own (key: token), and a Service before it."""
    hook = {"port": str(port), "endpoint": endpoint, "method": "POST", "authSecret": {"name": secret, "key": "token"}}
    return {"service": {"ports": [{"port": port, "targetPort": port}]}, "webhook": {_EVENT: hook}}


def manifests(inbox: Inbox, source: dict[str, Any]) -> list[dict[str, Any]]:
    """EventSource and Sensor, for `kubectl apply` in the namespace that Argo Events works in."""
    labels = {"app.kubernetes.io/part-of": "tidemill", "tidemill.dev/loop": inbox.loop}
    metadata = {"name": inbox.name, "labels": labels}
    sensor = {
        "dependencies": [{"name": "arrived", "eventSourceName": inbox.name, "eventName": _EVENT}],
        "triggers": [_trigger(inbox, source)],
    }
    return [
        {"apiVersion": _API, "kind": "EventSource", "metadata": metadata, "spec": source},
        {"apiVersion": _API, "kind": "Sensor", "metadata": metadata, "spec": sensor},
    ]


def _trigger(inbox: Inbox, source: dict[str, Any]) -> dict[str, Any]:
    payload = _payload(inbox, source)
    post = {
        "url": inbox.url,
        "method": "POST",
        "headers": {"Content-Type": "application/cloudevents+json"},
        "secureHeaders": [
            {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": inbox.secret, "key": "authorization"}}}
        ],
        "payload": payload,
    }
    trigger: dict[str, Any] = {
        "template": {"name": "tell-tidemill", "http": post},
        "atLeastOnce": True,
        "retryStrategy": dict(_RETRY),
        "policy": {"status": {"allow": [202]}},
    }
    if inbox.dlq is not None:
        letter = {"url": inbox.dlq, "method": "POST", "headers": post["headers"], "payload": payload}
        trigger["dlqTrigger"] = {
            "template": {"name": "dead-letter", "http": letter},
            "atLeastOnce": True,
            "retryStrategy": dict(_RETRY),
            "policy": {"status": {"allow": [200, 201, 202, 204]}},
        }
    return trigger


def _payload(inbox: Inbox, source: dict[str, Any]) -> list[dict[str, Any]]:
    """The CloudEvent, attribute by attribute. Its id is what a second delivery of the same thing has, too."""
    sqs = "sqs" in source
    kind = next(kind for kind in ("sqs", "kafka", "webhook") if kind in source)
    fixed = {
        "specversion": "1.0",
        "type": "dev.tidemill.data.arrived",
        "source": f"/argo-events/{kind}/{inbox.name}",
        "loop": inbox.loop,
    }
    payload = [_parameter(name, value=value) for name, value in fixed.items()]
    payload.append(_parameter("id", dataKey="messageId") if sqs else _parameter("id", contextKey="id"))
    if sqs:  # S3's own notification; the first object stands for all of them
        payload.append(_parameter("subject", dataKey="body.Records.0.s3.object.key", value=inbox.loop))
    return payload


def _parameter(dest: str, **source: str) -> dict[str, Any]:
    return {"src": {"dependencyName": "arrived", **source}, "dest": dest}
