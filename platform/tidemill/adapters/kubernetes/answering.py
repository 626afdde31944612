"""Whether a model server answers at its endpoint."""

from __future__ import annotations

import http.client
from urllib.parse import quote, urlsplit

_SECONDS = 2.0


def answers(endpoint: str, loop: str, version: str) -> str | None:
    """None where the version is ready there, else what is heard instead."""
    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("GET", f"/v2/models/{quote(loop)}/versions/{quote(version)}/ready")
        response = connection.getresponse()
        response.read()
        return None if response.status == 200 else f"it answers {response.status}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
