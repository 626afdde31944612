"""Where the API server is and who we are to it: from a Pod's service account, or from a kubeconfig file."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.loop.errors import TidemillError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Access:
    """`token` is a file, read again as it rotates; `namespace` is our own."""

    host: str
    port: int
    namespace: str
    tls: ssl.SSLContext | None = field(repr=False)
    token_file: Path | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.tls is None else 'https'}://{shown}:{self.port}"

    def bearer(self) -> str | None:
        return self.token_file.read_text().strip() if self.token_file is not None else self.token


def find_access() -> Access:
    """In a Pod its service account, else KUBECONFIG (or ~/.kube/config). Raises TidemillError where there is
    neither."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    if host and (SERVICE_ACCOUNT / "token").exists():
        tls = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
        port = int(os.environ.get("KUBERNETES_SERVICE_PORT", "443"))
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
        return Access(host, port, namespace, tls, token_file=SERVICE_ACCOUNT / "token")
    path = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    if not path.exists():
        raise TidemillError(
            f"There is no cluster to speak to: this is no Pod with a service account, and there is no kubeconfig at "
            f"{path}. Set KUBECONFIG."
        )
    return read_kubeconfig(path)


def read_kubeconfig(path: Path) -> Access:
    """The current context. Certificates and tokens; no exec plugins: a Pod needs none."""
    import yaml

    document = yaml.safe_load(path.read_text())
    try:
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        scheme, _, rest = cluster["server"].partition("://")
    except (KeyError, StopIteration, TypeError) as error:
        raise TidemillError(f"The kubeconfig {path} names no complete current context: {error!r}.") from error
    host, _, port = rest.rstrip("/").rpartition(":") if ":" in rest.rpartition("]")[2] else (rest.rstrip("/"), "", "")
    tls = _tls(cluster, user) if scheme == "https" else None
    token_file = user.get("tokenFile")
    return Access(
        host.strip("[]"),
        int(port or (443 if tls else 80)),
        context.get("namespace") or "default",
        tls,
        token_file=Path(token_file) if token_file else None,
        token=user.get("token"),
    )


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"),
        cadata=base64.b64decode(authority).decode() if authority else None,
    )
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:  # ssl reads a client's certificate from files alone
        files = [_file(user, kind, Path(folder)) for kind in ("client-certificate", "client-key")]
        if files[0] is not None:
            context.load_cert_chain(files[0], files[1])
    return context


def _file(user: Mapping[str, Any], kind: str, folder: Path) -> str | None:
    data = user.get(f"{kind}-data")
    if data is None:
        return user.get(kind)
    path = folder / kind
    path.touch(0o600)
    path.write_bytes(base64.b64decode(data))
    return str(path)
