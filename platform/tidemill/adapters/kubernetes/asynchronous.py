"""The few calls of the Kubernetes API that a server makes, over HTTP. (The official client costs 60 MB to import.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidemill.adapters.kubernetes.access import Access, find_access
from tidemill.loop.errors import TemporaryError, TidemillError

if TYPE_CHECKING:
    import httpx

_SECONDS = 5.0


class AsyncKubernetesApi:
    def __init__(self, access: Access | None = None) -> None:
        import httpx

        self._access = access or find_access()
        self._http: httpx.AsyncClient = httpx.AsyncClient(
            base_url=self._access.url, verify=self._access.tls or False, timeout=_SECONDS, trust_env=False
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
        token = self._access.bearer()
        if token:
            headers["authorization"] = f"Bearer {token}"
        try:
            response = await self._http.request(method, path, content=orjson.dumps(body), headers=headers)
        except httpx.HTTPError as error:
            raise TemporaryError(
                f"The Kubernetes API server at {self._access.url} does not answer ({type(error).__name__}). "
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
