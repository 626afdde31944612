"""The few calls of the Kubernetes API that a server makes, over HTTP. (The official client costs 60 MB to import.)"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.loop.errors import TemporaryError, TidemillError

if TYPE_CHECKING:
    import httpx

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 5.0


@dataclass(frozen=True)
class Cluster:
    """Where an API server is, whom to believe that it is, and as whom to speak. `token` is read anew for each call: the
    kubelet replaces it every hour."""

    url: str
    trust: ssl.SSLContext
    token: Callable[[], str | None]


class KubernetesApi:
    def __init__(self, cluster: Cluster | None = None) -> None:
        import httpx

        self._cluster = cluster or find_cluster()
        self._http: httpx.AsyncClient = httpx.AsyncClient(
            base_url=self._cluster.url, verify=self._cluster.trust, timeout=_SECONDS, trust_env=False
        )

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._call("POST", path, body, "application/json")

    async def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A JSON merge patch."""
        return await self._call("PATCH", path, body, "application/merge-patch+json")

    async def _call(self, method: str, path: str, body: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Raises TemporaryError where the API server is away or overloaded, TidemillError where it refuses."""
        import httpx
        import orjson

        headers = {"content-type": kind}
        token = self._cluster.token()
        if token:
            headers["authorization"] = f"Bearer {token}"
        try:
            response = await self._http.request(method, path, content=orjson.dumps(body), headers=headers)
        except httpx.HTTPError as error:
            raise TemporaryError(
                f"The Kubernetes API server at {self._cluster.url} does not answer ({type(error).__name__}). "
                "Try again when it does."
            ) from error
        if response.status_code >= 500 or response.status_code == 429:
            raise TemporaryError(
                f"The Kubernetes API server answered {response.status_code} to {method} {path}. Try again."
            )
        answer: dict[str, Any] = {}
        if response.headers.get("content-type", "").startswith("application/json"):
            answer = response.json()
        if response.is_error:
            said = answer.get("message", response.text[:300])
            raise TidemillError(f"The Kubernetes API server refused {method} {path} ({response.status_code}): {said}")
        return answer


def find_cluster() -> Cluster:
    """The one that this Pod runs in, else that of KUBECONFIG. Raises TidemillError where there is neither."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    if host and (_POD / "token").exists():
        shown = f"[{host}]" if ":" in host else host
        trust = ssl.create_default_context(cafile=str(_POD / "ca.crt"))
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        return Cluster(f"https://{shown}:{port}", trust, lambda: (_POD / "token").read_text().strip())
    return read_kubeconfig(Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config"))


def read_kubeconfig(path: Path) -> Cluster:
    """Its current context. Certificates, tokens and token files are understood; programs that make tokens are not."""
    import yaml

    try:
        config = yaml.safe_load(path.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
    except FileNotFoundError as error:
        raise TidemillError(
            f"No cluster is known: this is no Pod with a service account, and there is no {path}. Set KUBECONFIG."
        ) from error
    except (OSError, KeyError, TypeError, StopIteration, yaml.YAMLError) as error:
        raise TidemillError(
            f"{path} names no current cluster and user ({error!r}): see `kubectl config view`."
        ) from error
    trust = ssl.create_default_context(cadata=_data(cluster, "certificate-authority", path))
    certificate, key = _data(user, "client-certificate", path), _data(user, "client-key", path)
    if certificate and key:
        with tempfile.NamedTemporaryFile("w") as file:  # the ssl module reads certificates from files alone
            file.write(certificate + "\n" + key)
            file.flush()
            trust.load_cert_chain(file.name)
    elif not user.get("token") and not user.get("tokenFile"):
        raise TidemillError(
            f"The user of {path} has no certificate and no token: another way to log in is not understood."
        )
    token_file = user.get("tokenFile")
    if token_file:
        return Cluster(cluster["server"], trust, lambda: (path.parent / token_file).read_text().strip())
    return Cluster(cluster["server"], trust, lambda: user.get("token"))


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _data(section: Mapping[str, Any], name: str, path: Path) -> str | None:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"]).decode()
    return (path.parent / section[name]).read_text() if name in section else None
