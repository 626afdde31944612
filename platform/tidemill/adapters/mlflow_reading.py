"""What is asked of an MLflow server all the time, over the standard library's HTTP: a version, a model's aliases.

The client costs 160 MiB and two seconds of imports, which a controller whose loops rest would pay for good. It is asked
instead wherever the environment says something of how to reach the server that only the client understands.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tidemill.loop.errors import TemporaryError

# Of MLflow and of the HTTP library that it stands on.
_CLIENTS_ALONE = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "NETRC")
_TLS = (
    "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip
_SECONDS = 15.0
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter of a version that is no number


class NotForUs(Exception):
    """The server wants something that the client may know."""


def can_read(uri: str) -> bool:
    names = _CLIENTS_ALONE + (_TLS if uri.startswith("https://") else ())
    return uri.startswith(("http://", "https://")) and not any(os.environ.get(name) for name in names)


def read_version(uri: str, name: str, version: str) -> dict[str, Any] | None:
    """As the REST API has it; None where there is none. Raises NotForUs, TemporaryError."""
    found = _get(uri, "model-versions/get", name=name, version=version)
    return None if found is None else dict(found["model_version"])


def read_aliases(uri: str, name: str) -> dict[str, str]:
    """Alias to version; empty where there is no such model. Raises NotForUs, TemporaryError."""
    found = _get(uri, "registered-models/get", name=name) or {"registered_model": {}}
    return {each["alias"]: str(each["version"]) for each in found["registered_model"].get("aliases", [])}


def _get(uri: str, what: str, **query: str) -> Any:
    request = Request(f"{uri.rstrip('/')}/api/2.0/mlflow/{what}?{urlencode(query)}", headers=_headers())
    try:
        with urlopen(request, timeout=_SECONDS) as response:
            return json.loads(response.read())
    except HTTPError as error:
        code = _code(error)
        if code in _ABSENT:
            return None
        if error.code >= 500 or error.code == http.client.TOO_MANY_REQUESTS:
            raise _away(f"it answers {error.code} {code}".strip()) from error
        raise NotForUs(f"{error.code} {code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _away(error) from error
    except ValueError as error:
        raise NotForUs("it answers with no JSON") from error


def _headers() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{word}", "") for word in ("USERNAME", "PASSWORD"))
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _code(error: HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error_code"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _away(why: object) -> TemporaryError:
    return TemporaryError(f"MLflow does not answer: {why}. Nothing was changed; the next tick asks again.")
