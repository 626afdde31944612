"""One version in a process of its own: fetched, proven, loaded, warmed up, and asked by the Open Inference Protocol.

It answers with the model's own probabilities and nothing else. Who is asked, what is logged, mirrored and corrected is
the gateway's affair, so that any server of the protocol could stand here.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

import tidemill
from tidemill.adapters.artifact import digest
from tidemill.loop.errors import ArtifactChanged, TemporaryError, TidemillError
from tidemill.loop.model import ModelVersion
from tidemill.loop.turn.files import fetch_folder

from .hot_path import Receive, Scope, Send, read_body
from .metadata import describe
from .models import Served, load
from .protocol import output, parse_columns, parse_json
from .refusals import Refused
from .scoring import NotBegun, Overloaded
from .user_code import failure

_MAX_BODY = 16 << 20  # bytes: only gateways ask, which write what they took at greater length
_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/infer|/ready)?")
_log = logging.getLogger(__name__)


def fetch_and_load(version: ModelVersion, scratch: Path | None = None) -> Served:
    """Raises ArtifactChanged before anything is unpickled, TemporaryError where the folder cannot be read, and
    TidemillError for a model that does not load."""
    scratch = scratch or Path(tempfile.mkdtemp(prefix="tidemill-model-"))
    try:
        folder = fetch_folder(version.uri, scratch / "model")
        found = digest(folder)
    except OSError as error:
        raise TemporaryError(
            f"The model folder {version.uri} could not be read: {str(error).rstrip('.')}. Restore it, or roll back."
        ) from error
    if found != version.digest:
        raise ArtifactChanged(
            f"The model in {version.uri} is not what was registered: its digest is {found}, registered was "
            f"{version.digest}. It was not loaded. Restore the folder from a backup, or roll back."
        )
    try:
        return load(replace(version, uri=folder.absolute().as_uri()))
    except TidemillError:
        raise
    except Exception as error:
        raise TidemillError(
            f"The model in {version.uri} does not load: {failure(error)}. Its image must hold the "
            "packages that it was trained with (spec.model.image)."
        ) from error


class ModelServer:
    """An ASGI application. `draining` is set when the process was asked to end: it is no longer ready, still answers,
    and asks its clients to take their next connection elsewhere."""

    def __init__(self, name: str, model: Served) -> None:
        self._name, self._model = name, model
        self.draining = False

    def drain(self) -> None:
        self.draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, document = await self._answer(scope["method"], scope["path"], receive)
        body = orjson.dumps(document)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if self.draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, method: str, path: str, receive: Receive) -> tuple[int, dict[str, Any]]:
        try:
            match = _MODEL.fullmatch(path)
            if match is None:
                return self._server(path)
            self._known(match[1], match[2])
            if match[3] == "/infer":
                if method != "POST":
                    raise Refused(405, "Send a request for a prediction by POST.")
                return 200, await self._infer(await read_body(receive, _MAX_BODY))
            if match[3] == "/ready":
                return self._ready()
            return 200, describe(self._name, self._model.version, self._model.digest, self._model.schema)
        except Refused as error:
            return error.status, {"error": str(error)}
        except Overloaded as error:
            return 429, {"error": str(error)}
        except TimeoutError:
            return 504, {"error": "the caller's time is over"}
        except Exception as error:
            said = str(failure(error))
            _log.warning("version %s of %s failed: %s", self._model.version, self._name, said)
            return 500, {"error": said}

    async def _infer(self, body: bytes) -> dict[str, Any]:
        document = parse_json(body)
        columns, n = parse_columns(document)
        parameters = document.get("parameters")
        timeout, mirrored = _wishes(parameters if isinstance(parameters, dict) else {})
        scorer = self._model.back if mirrored else self._model.front
        try:
            raw = await scorer.submit(self._model.cells(columns), n, timeout)
        except NotBegun as error:
            if mirrored:  # says nothing of the version: to be dropped, not to be logged
                raise Overloaded("the rows waited until their time was over") from error
            raise
        return {
            "model_name": self._name,
            "model_version": self._model.version,
            "id": document.get("id"),
            "outputs": [output("probability", "FP64", raw.tolist())],
        }

    def _known(self, name: str, version: str | None) -> None:
        if name != self._name or version not in (None, self._model.version):
            raise Refused(
                404,
                f"Model {name}{f' version {version}' if version else ''} is not served here: this is version "
                f"{self._model.version} of {self._name}.",
            )

    def _server(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == "/v2/health/live":
            return 200, {"live": True}
        if path == "/v2/health/ready":
            return self._ready()
        if path == "/v2":
            return 200, {"name": "tidemill", "version": tidemill.__version__, "extensions": []}
        raise Refused(404, f"The path {path} does not exist.")

    def _ready(self) -> tuple[int, dict[str, Any]]:
        return (503 if self.draining else 200), {"name": self._name, "ready": not self.draining}


def _wishes(parameters: Mapping[str, Any]) -> tuple[float | None, bool]:
    """How long the caller waits (what nobody waits for is not predicted), and whether it is mirrored."""
    timeout = parameters.get("timeout_ms")
    waits = isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and timeout > 0
    return (timeout / 1000 if waits else None), parameters.get("mirrored") is True  # type: ignore[operator]
