"""A client of the server's API, for one loop."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tidemill.loop.errors import NothingToDo, TemporaryError, TidemillError

TOKEN = "TIDEMILL_TOKEN"
_PAGE = 500
_LABELS = 20_000  # in one request: a megabyte or two of the eight that the server takes


def read_token(file: str | None) -> str | None:
    """From the file, else from the environment. Raises TidemillError where the file cannot be read."""
    if file is None:
        return os.environ.get(TOKEN)
    try:
        return Path(file).expanduser().read_text().strip()
    except OSError as error:
        raise TidemillError(
            f"The token file {file} cannot be read: {error.strerror}. Name another in the profile's "
            f"spec.server.tokenFile, or take that line out and set {TOKEN}."
        ) from error


class ServerClient:
    """Raises TidemillError in the server's own words, with what to do about it."""

    def __init__(self, url: str, namespace: str, loop: str, token: str | None) -> None:
        import httpx

        self._url, self._where = url.rstrip("/"), f"{loop} in namespace {namespace}"
        self._path = f"/v1/namespaces/{quote(namespace, safe='')}/loops/{quote(loop, safe='')}"
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # The system's certificates, or those that SSL_CERT_FILE names.
        trust = ssl.create_default_context()
        self._http = httpx.Client(base_url=self._url, headers=headers, timeout=30.0, trust_env=False, verify=trust)

    def status(self) -> dict[str, Any]:
        return self._call("GET", "")

    def history(self, events: Sequence[str] = (), last: int | None = None) -> list[dict[str, Any]]:
        """All lines, or the last ones."""
        if last is not None and last <= _PAGE:
            entries: list[dict[str, Any]] = self._call("GET", "/history", {"event": list(events), "last": last})[
                "entries"
            ]
            return entries
        lines: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self._call("GET", "/history", {"event": list(events), "after": after, "limit": _PAGE})
            lines += page["entries"]
            after = page["next"]
        return lines[-last:] if last else lines

    def ask(
        self, what: str, by: str, note: str, partition: str | None = None, since: str | None = None
    ) -> dict[str, Any]:
        """The request as it was recorded."""
        about = {"partition": partition, "since": since}
        body = {"what": what, "by": by, "note": note, **{k: v for k, v in about.items() if v is not None}}
        recorded = self._call("POST", "/requests", body=body)
        return {key: value for key, value in recorded.items() if key != "woken"}

    def record(self, pairs: Sequence[tuple[str, float]]) -> dict[str, int]:
        """Sends labels by key, many at a time; a part that arrived before an error may be sent again."""
        sums = {"new": 0, "duplicate": 0, "conflicting": 0}
        for start in range(0, len(pairs), _LABELS):
            outcomes = [{"key": key, "label": label} for key, label in pairs[start : start + _LABELS]]
            receipt = self._call("POST", "/outcomes", body={"outcomes": outcomes})
            sums = {name: count + receipt[name] for name, count in sums.items()}
        return sums

    def _call(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        import httpx

        try:
            response = self._http.request(method, f"{self._path}{path}", params=query, json=body)
        except httpx.HTTPError as error:
            raise TemporaryError(
                f"The server at {self._url} does not answer ({error}). Is it running, and is spec.server.url of the "
                "profile right?"
            ) from error
        try:
            document = response.json()
            said = document.get("error", "")
        except (ValueError, AttributeError) as error:
            raise TidemillError(
                f"What answers at {self._url} ({response.status_code}) is no server of Tidemill's: see spec.server.url "
                "of the profile."
            ) from error
        if response.is_error:
            raise _error(response.status_code, said, self._url)
        answer: dict[str, Any] = document
        return answer


def _error(status: int, said: str, url: str) -> TidemillError:
    if status == 401:
        return TidemillError(
            f"The server at {url} does not know you. {said} Put it into {TOKEN} or spec.server.tokenFile."
        )
    if status == 409:
        return NothingToDo(said)
    if status in (429, 502, 503, 504):
        return TemporaryError(f"The server at {url} cannot answer just now: {said}")
    return TidemillError(f"The server at {url} refused ({status}): {said}")
