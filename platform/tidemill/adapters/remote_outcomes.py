"""Labels that come in at a gateway, handed to the Tidemill server, which keeps them.

Nothing is kept here: where the server is away the caller hears so, and sends them again.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tidemill.loop.errors import LabelRefused, TemporaryError
from tidemill.loop.model import Receipt

if TYPE_CHECKING:
    import pandas as pd

_SECONDS = 10.0


class RemoteOutcomes:
    """The half of ports.Outcomes that a gateway needs. `token_file` is read each time: Kubernetes rotates it."""

    def __init__(self, server: str, namespace: str, loop: str, token_file: Path | None) -> None:
        self._server, self._token_file = server.rstrip("/"), token_file
        self._loop = f"{namespace}/{loop}"
        self._path = f"/v1/namespaces/{quote(namespace)}/loops/{quote(loop)}/outcomes"

    def record(self, labels: pd.DataFrame, at: datetime, source: str) -> Receipt:
        given = labels[labels["label"].notna()]
        return self.record_pairs(given["key"].tolist(), given["label"].tolist())

    def record_pairs(self, keys: Sequence[str], labels: Sequence[Any]) -> Receipt:
        """Recorded by the server when it returns; all or nothing. Raises LabelRefused for what is no label,
        TemporaryError where the server is away or refuses us."""
        body = {"outcomes": [{"key": key, "label": label} for key, label in zip(keys, labels, strict=True)]}
        status, answer = self._post(json.dumps(body).encode())
        if status < 300:
            try:
                return Receipt(answer["new"], answer["duplicate"], answer["conflicting"])
            except (KeyError, TypeError) as error:
                raise self._away(f"it answers with no receipt ({answer!r:.200})") from error
        why = str(answer.get("error") or answer.get("message") or answer) if isinstance(answer, dict) else str(answer)
        if status in (400, 413, 422):
            raise LabelRefused(why)
        raise self._away(f"it answers {status}: {why[:500]}")

    def _post(self, body: bytes) -> tuple[int, Any]:
        """Asked again once where the connection broke: recording twice is recording once."""
        try:
            return self._ask(body)
        except (ConnectionError, http.client.RemoteDisconnected):
            pass
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from error
        try:
            return self._ask(body)
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from error

    def _ask(self, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(self._server)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=_SECONDS)
        headers = {"Content-Type": "application/json"}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        try:
            connection.request("POST", f"{parts.path}{self._path}", body, headers)
            response = connection.getresponse()
            return response.status, _parsed(response.read())
        finally:
            connection.close()

    def _away(self, why: object) -> TemporaryError:
        return TemporaryError(
            f"The labels of {self._loop} could not be handed to the Tidemill server at {self._server}: "
            f"{why or type(why).__name__}. Maybe none is recorded: send them again, none counts twice."
        )


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content[:500].decode(errors="replace")
