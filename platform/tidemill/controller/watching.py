"""kopf's part: it finds the two kinds, lists and watches them, keeps at it when the API server is away, and answers
`/healthz`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import kopf

from .operator import Operator
from .wanted import GROUP

VERSION, LOOPS, ROLLOUTS = "v1alpha1", "modelloops", "modelrollouts"


def registry(operator: Operator, healthy: dict[str, Callable[[], Any]]) -> kopf.OperatorRegistry:
    """For `kopf.run(registry=...)`. `healthy`: what `/healthz` tells, by name."""
    made = kopf.OperatorRegistry()

    async def loop(body: kopf.Body, type: str | None, **_: Any) -> None:
        operator.saw_loop(body, type == "DELETED")

    async def rollout(body: kopf.Body, type: str | None, **_: Any) -> None:
        operator.saw_rollout(body, type == "DELETED")

    kopf.on.startup(registry=made)(_configure)
    kopf.on.login(registry=made)(_login)
    kopf.on.event(GROUP, VERSION, LOOPS, registry=made)(loop)
    kopf.on.event(GROUP, VERSION, ROLLOUTS, registry=made)(rollout)
    for name, ask in healthy.items():
        kopf.on.probe(id=name, registry=made)(_probe(ask))
    return made


def _probe(ask: Callable[[], Any]) -> Any:
    async def probe(**_: Any) -> Any:
        return ask()

    return probe


async def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    # What there is to watch is known; a namespaced controller may not list namespaces.
    settings.scanning.disabled = True
    settings.posting.enabled = False  # our own events say what happened, in our words
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13, 21)
    for name in ("kopf.objects", "kopf.activities.probe", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)  # they tell of every event and question that passes


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """By the Pod's service account, else by the kubeconfig, as all else here. kopf asks again when the API server
    refuses what it was given: then a plugin runs anew."""
    return kopf.login_with_service_account(**kwargs) or _by_kubeconfig()


def _by_kubeconfig() -> kopf.ConnectionInfo:
    from tidemill.adapters.kubernetes.kubeconfig import Kubeconfig

    found = Kubeconfig()
    known = found.configuration
    return kopf.ConnectionInfo(
        server=known.host,
        ca_path=known.ssl_ca_cert,
        insecure=not known.verify_ssl,
        scheme="Bearer",
        token=found.bearer(),
        certificate_path=known.cert_file,
        private_key_path=known.key_file,
        default_namespace=found.access.namespace,
    )
