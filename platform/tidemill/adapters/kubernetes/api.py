"""The few calls to a Kubernetes API server that Tidemill makes, over the standard library's HTTP.

The official client would cost each of four processes 35 to 58 MiB (docs/decisions/0012).
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from tidemill.adapters.kubernetes.access import Access, find_access
from tidemill.adapters.kubernetes.paths import path
from tidemill.loop.errors import TemporaryError, TidemillError

MANAGER = "tidemill"
_SECONDS = 15.0
_WATCH_SECONDS = 240  # the server ends a watch then, and we begin the next one
_SILENCE = 30.0  # on top of that: longer silence is a dead connection
Object = dict[str, Any]


class ApiError(TidemillError):
    """What the API server refused, and why. `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gone(Exception):
    """The server no longer knows what happened since the resource version: list anew."""


class KubernetesApi:
    """Used from any number of threads; each keeps a connection of its own. `seconds`: how long an answer may take."""

    def __init__(self, access: Access | None = None, seconds: float = _SECONDS) -> None:
        self.access, self._seconds = access or find_access(), seconds
        self._local = threading.local()

    def get(self, version: str, kind: str, namespace: str | None, name: str) -> Object | None:
        """Namespace None: of the whole cluster."""
        try:
            return self._call("GET", path(version, kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, version: str, kind: str, namespace: str | None, selector: str) -> Object:
        """The list object: `items`, and the resource version that a watch goes on from. Namespace None: all."""
        return self._call("GET", path(version, kind, namespace) + "?" + urlencode({"labelSelector": selector}))

    def apply(self, document: Mapping[str, Any]) -> Object:
        """Server-side apply: what we say holds, what others say of other fields stays."""
        metadata = document["metadata"]
        where = path(document["apiVersion"], document["kind"], metadata["namespace"], metadata["name"])
        query = urlencode({"fieldManager": MANAGER, "force": "true"})
        return self._call("PATCH", f"{where}?{query}", document, "application/apply-patch+yaml")

    def replace(self, document: Mapping[str, Any]) -> Object:
        """The whole object, as it was read (`get`) and changed: what the document lacks is gone afterwards. Raises
        ApiError with status 409 where somebody changed it in between."""
        metadata = document["metadata"]
        where = path(document["apiVersion"], document["kind"], metadata.get("namespace"), metadata["name"])
        return self._call("PUT", f"{where}?{urlencode({'fieldManager': MANAGER})}", document, "application/json")

    def create(self, document: Mapping[str, Any], check: bool = False) -> Object:
        """Raises ApiError with status 409 where the name is taken; one with `generateName` gets a new one. With `check`
        the server refuses what it does not know, too, and keeps nothing."""
        where = path(document["apiVersion"], document["kind"], document.get("metadata", {}).get("namespace"))
        query = {"fieldManager": MANAGER, **({"dryRun": "All", "fieldValidation": "Strict"} if check else {})}
        return self._call("POST", f"{where}?{urlencode(query)}", document, "application/json")

    def kinds(self, version: str) -> set[str]:
        """What the cluster serves of an API version: none where it does not know it."""
        try:
            found = self._call("GET", f"/apis/{version}")
        except ApiError as error:
            if error.status == 404:
                return set()
            raise
        return {resource["kind"] for resource in found["resources"]}

    def merge(
        self, version: str, kind: str, namespace: str, name: str, patch: Mapping[str, Any], part: str = ""
    ) -> Object:
        """`part` is a subresource, such as status."""
        below = f"/{part}" if part else ""
        where = f"{path(version, kind, namespace, name)}{below}?{urlencode({'fieldManager': MANAGER})}"
        return self._call("PATCH", where, patch, "application/merge-patch+json")

    def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """The last lines of a container's log; empty where there is none (any more)."""
        query = urlencode({"container": container, "tailLines": str(lines)})
        try:
            return self._text("GET", f"{path('v1', 'Pod', namespace, pod)}/log?{query}")
        except ApiError:
            return ""

    def delete(self, version: str, kind: str, namespace: str, name: str) -> None:
        """Nothing where it is gone already."""
        try:
            where = path(version, kind, namespace, name)
            self._call("DELETE", where, {"propagationPolicy": "Background"}, "application/json")
        except ApiError as error:
            if error.status != 404:
                raise

    def watch(
        self, version: str, kind: str, namespace: str | None, selector: str, since: str
    ) -> Iterator[tuple[str, Object]]:
        """(type, object) of what happens from the resource version `since` on: ADDED, MODIFIED, DELETED, BOOKMARK.
        Ends when the server ends it. Raises Gone, ApiError, TemporaryError."""
        query = {"watch": "true", "labelSelector": selector, "resourceVersion": since,
                 "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_SECONDS)}  # fmt: skip
        where = path(version, kind, namespace) + "?" + urlencode(query)
        with closing(self._connect(_WATCH_SECONDS + _SILENCE)) as connection:
            try:
                connection.request("GET", self.access.prefix + where, headers=self._headers())
                response = connection.getresponse()
                if response.status == 401:
                    self.access.renew()  # for whoever watches again
                if response.status != 200:
                    raise _refused(response.status, response.read(), "GET", where)
                while line := response.readline():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _refused(event["object"].get("code", 500), json.dumps(event["object"]), "watch", where)
                    yield event["type"], event["object"]
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise self._away(error) from error

    def _call(self, method: str, where: str, body: Mapping[str, Any] | None = None, kind: str = "") -> Object:
        answer: Object = json.loads(self._text(method, where, body, kind))
        return answer

    def _text(self, method: str, where: str, body: Mapping[str, Any] | None = None, kind: str = "") -> str:
        sent = None if body is None else json.dumps(body).encode()
        status, content = self._answer(method, where, sent, kind)
        if status == 401 and self.access.renew():
            self._hang_up()  # a certificate is shown when a connection is made
            status, content = self._answer(method, where, sent, kind)
        if status >= 300:
            raise _refused(status, content, method, where)
        return str(content, errors="replace")

    def _answer(self, method: str, where: str, sent: bytes | None, kind: str) -> tuple[int, bytes]:
        headers = self._headers() | ({"Content-Type": kind} if kind else {})
        for last in (False, True):
            fresh = getattr(self._local, "connection", None) is None
            if fresh:
                self._local.connection = self._connect(self._seconds)
            connection: http.client.HTTPConnection = self._local.connection
            try:
                connection.request(method, self.access.prefix + where, sent, headers)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                self._hang_up()
                # A kept connection may have died since; all that we ask may be asked twice.
                if last or fresh:
                    raise self._away(error) from error
        raise AssertionError("the last try returns or raises")

    def _hang_up(self) -> None:
        self._local.connection.close()
        self._local.connection = None

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        access = self.access
        if access.tls is None:
            return http.client.HTTPConnection(access.host, access.port, timeout=timeout)
        return http.client.HTTPSConnection(access.host, access.port, timeout=timeout, context=access.tls)

    def _headers(self) -> dict[str, str]:
        token = self.access.bearer()
        agent = {"Accept": "application/json", "User-Agent": "tidemill"}
        return agent | ({"Authorization": f"Bearer {token}"} if token else {})

    def _away(self, error: Exception) -> TemporaryError:
        return TemporaryError(
            f"The API server at {self.access.host}:{self.access.port} does not answer: {error or type(error).__name__}."
        )


def _refused(status: int, content: bytes | str, method: str, where: str) -> Exception:
    try:
        message = json.loads(content)["message"]
    except (ValueError, KeyError, TypeError):
        message = str(content[:300])
    if status == 410:
        return Gone(message)
    said = f"The API server refuses {method} {where.partition('?')[0]} ({status}): {message}."
    if status in (429, 500, 502, 503, 504):
        return TemporaryError(said)
    return ApiError(status, said)
