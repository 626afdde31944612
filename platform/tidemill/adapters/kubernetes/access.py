"""Where the API server is and who we are to it: by a Pod's service account, else by a kubeconfig.

A Pod needs three files and no library. All else (exec plugins, certificates, merged kubeconfigs) is the official
client's affair: see kubeconfig.py.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def _nobody() -> str | None:
    return None


def _nothing_newer() -> bool:
    return False


@dataclass(frozen=True)
class Access:
    """`tls` None: plain HTTP. `namespace` is our own; `prefix` stands before every path, where the API server is behind
    one. `bearer` gives the token to show now, `renew` looks for other credentials after one was refused: whether it is
    worth asking again."""

    host: str
    port: int
    namespace: str
    tls: ssl.SSLContext | None = field(repr=False)
    bearer: Callable[[], str | None] = field(default=_nobody, repr=False)
    renew: Callable[[], bool] = field(default=_nothing_newer, repr=False)
    prefix: str = ""


def find_access() -> Access:
    """Raises TidemillError where there is neither a service account nor a kubeconfig that can be used."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    token = SERVICE_ACCOUNT / "token"
    if not host or not token.exists():
        from tidemill.adapters.kubernetes.kubeconfig import Kubeconfig

        return Kubeconfig().access
    return Access(
        host,
        int(os.environ.get("KUBERNETES_SERVICE_PORT", "443")),
        (SERVICE_ACCOUNT / "namespace").read_text().strip(),
        ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt")),
        lambda: token.read_text().strip(),  # each time: the kubelet renews it
    )
