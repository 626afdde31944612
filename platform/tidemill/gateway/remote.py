"""A version that another process scores: asked by the Open Inference Protocol at its endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson

from tidemill.loop.errors import ArtifactChanged
from tidemill.loop.model import ModelVersion

from .http_pool import Pool
from .metadata import Described, fetch
from .schema import Cells, Schema
from .scoring import ModelFailed, Overloaded

MAX_BACKLOG = 20_000  # rows, as in process
_GRACE = 1.0  # seconds
FRONT_CONNECTIONS, BACK_CONNECTIONS = 64, 8


class Remote:
    """Its front and its back have connections of their own: mirrored rows never wait before those to be answered."""

    def __init__(self, version: ModelVersion, endpoint: str, loop: str, schema: Schema | None) -> None:
        self.version, self.digest, self.endpoint = version.version, version.digest, endpoint
        self.schema = schema
        # Named with its version: an address that another version got in the meantime answers 404, not wrongly.
        path = f"/v2/models/{quote(loop)}/versions/{quote(version.version)}/infer"
        names = None if schema is None else [column.name for column in schema.columns]
        self.front = RemoteScorer(Pool(endpoint, FRONT_CONNECTIONS), path, names, mirrored=False)
        self.back = RemoteScorer(Pool(endpoint, BACK_CONNECTIONS), path, names, mirrored=True)

    def check(self, expected: str) -> None:
        """Files are the model server's affair: it proved them before it was ready, and never reads them again."""

    def cells(self, columns: Mapping[str, list[Any]]) -> Cells:
        if self.schema is None:
            return [list(columns), *columns.values()]
        return self.schema.cells(columns)


def adopt(version: ModelVersion, endpoint: str, loop: str) -> Remote:
    """Learns the schema from the model server; raises TemporaryError where it is not there yet, ArtifactChanged where
    it serves other files than were registered."""
    described: Described = fetch(endpoint, loop, version.version)
    if described.digest not in (None, version.digest):
        raise ArtifactChanged(
            f"The model server at {endpoint} serves files with the digest {described.digest}; version "
            f"{version.version} of {loop} was registered as {version.digest}. Delete its Deployment: it is made anew."
        )
    return Remote(version, endpoint, loop, described.schema)


class RemoteScorer:
    def __init__(self, pool: Pool, path: str, names: Sequence[str] | None, mirrored: bool) -> None:
        self._pool, self._path, self._names, self._mirrored = pool, path, names, mirrored
        self._backlog = 0

    def submit(self, cells: Cells, n: int, timeout: float | None = None) -> asyncio.Future[np.ndarray[Any, Any]]:
        if self._backlog + n > MAX_BACKLOG and self._backlog:
            raise Overloaded(f"{self._backlog} rows wait already")
        self._backlog += n
        return asyncio.get_running_loop().create_task(self._score(cells, n, timeout))

    async def _score(self, cells: Cells, n: int, timeout: float | None) -> np.ndarray[Any, Any]:
        # No caller waits for mirrored rows: the server has the time to say whether it had begun with them.
        patience = timeout + _GRACE if timeout is not None and self._mirrored else timeout
        try:
            async with asyncio.timeout(patience):
                status, answer = await self._pool.post(self._path, self._body(cells, n, timeout))
        finally:
            self._backlog -= n
        if status == 200:
            return _probabilities(answer, n)
        why = _error(answer)
        if status == 429:
            raise Overloaded(why)
        if status == 504:
            raise TimeoutError(why)
        raise ModelFailed(why if status == 500 else f"its server answers {status}: {why}")

    def _body(self, cells: Cells, n: int, timeout: float | None) -> bytes:
        names, columns = (cells[0], cells[1:]) if self._names is None else (self._names, cells)
        inputs = [
            {"name": name, "shape": [n], "datatype": _datatype(values), "data": values}
            for name, values in zip(names, columns, strict=True)
        ]
        parameters = {"timeout_ms": None if timeout is None else timeout * 1000, "mirrored": self._mirrored}
        return orjson.dumps({"inputs": inputs, "parameters": parameters}, option=orjson.OPT_SERIALIZE_NUMPY)


def _datatype(values: list[Any]) -> str:
    """By what is there: the model server makes the model's own types of it, as it would of a caller's."""
    kinds = set(map(type, values))
    if kinds <= _NUMBERS:
        return "FP64"
    return "BOOL" if bool in kinds else "BYTES"


_NUMBERS = {float, int, type(None)}


def _probabilities(answer: bytes, n: int) -> np.ndarray[Any, Any]:
    try:
        raw = np.asarray(orjson.loads(answer)["outputs"][0]["data"], dtype=float)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ModelFailed(f"the answer does not contain probabilities: {error!r}") from error
    if raw.shape != (n,) or not ((raw >= 0) & (raw <= 1)).all():
        raise ModelFailed("the model returned a value that is not a probability")
    return raw


def _error(answer: bytes) -> str:
    try:
        return str(orjson.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode(errors="replace") or "no reason given"
