"""Open Inference Protocol v2: requests in, responses out. One tensor a column, one element a row."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from .refusals import Refused

MAX_ROWS = 10_000

_ids = random.Random()  # seeded by the system; unlike uuid4 it makes no system call, which would give away the GIL

_NULL: type = type(None)
_WHOLE: frozenset[type] = frozenset({int, _NULL})
_REAL: frozenset[type] = frozenset({int, float, _NULL})
_TYPES: dict[str, frozenset[type]] = {
    "BOOL": frozenset({bool, _NULL}),
    **{f"{sign}INT{bits}": _WHOLE for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": _REAL for bits in (16, 32, 64)},
    "BYTES": frozenset({str, _NULL}),
}


@dataclass(frozen=True, slots=True)
class Inference:
    """A request, row by row: `keys` and `times` have one entry a row, as has each of `columns`, and `units` where the
    route names the column that they are taken from."""

    id: str
    keys: list[str]
    times: list[datetime]
    columns: Mapping[str, list[Any]]
    units: list[str | None] | None = None

    def unit(self, row: int) -> str | None:
        return None if self.units is None else self.units[row]


def parse_json(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The body is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise Refused(400, "The body must be a JSON object.")
    return document


def parse_inference(document: Mapping[str, Any], key: str, event_time: str, now: datetime) -> Inference:
    """The tensor named `key` holds the rows' keys, else parameters.key, else they are made of the request's id; the
    one named `event_time` holds ISO times, else they are `now`. Both stay among the columns: a model may want them."""
    columns, n = parse_columns(document)
    id = document.get("id") or f"{_ids.getrandbits(128):032x}"
    if not isinstance(id, str):
        raise Refused(400, f'"id" must be text, not {id!r}.')
    keys = _keys(columns.get(key), document, id, n, key)
    given = columns.get(event_time)
    times = [now] * n if given is None else [now if text is None else _time(text, event_time) for text in given]
    if given is None:
        columns[event_time] = [now.isoformat()] * n
    return Inference(id, keys, times, columns)


def parse_columns(document: Mapping[str, Any]) -> tuple[dict[str, list[Any]], int]:
    """The request's tensors by name, and how many rows each has."""
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise Refused(400, 'The request has no "inputs": send one tensor for each column.')
    columns: dict[str, list[Any]] = {}
    n = None
    for tensor in inputs:
        name, data = _tensor(tensor)
        if n is None:
            n = len(data)
        if len(data) != n:
            raise Refused(
                400, f"Input {name!r} has {len(data)} rows, {next(iter(columns))!r} has {n}: send one value a row."
            )
        if name in columns:
            raise Refused(400, f"The request has input {name!r} twice: send each column once.")
        columns[name] = data
    assert n is not None
    if not 1 <= n <= MAX_ROWS:
        raise Refused(400 if n == 0 else 413, f"The request has {n} rows: send 1 to {MAX_ROWS}.")
    return columns, n


def _tensor(tensor: Any) -> tuple[str, list[Any]]:
    try:
        name, shape, datatype, data = tensor["name"], tensor["shape"], tensor["datatype"], tensor["data"]
    except (KeyError, TypeError) as error:
        named = tensor.get("name", "?") if isinstance(tensor, dict) else "?"
        raise Refused(400, f"Input {named!r} needs name, shape, datatype and data.") from error
    if not isinstance(name, str) or not isinstance(data, list):
        raise Refused(400, f"Input {name!r}: name must be text and data a list.")
    if not isinstance(shape, list) or len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
        raise Refused(400, f"Input {name!r} has shape {shape}: a column has shape [rows] or [rows, 1].")
    if data and type(data[0]) is list:
        data = [value for row in data for value in (row if isinstance(row, list) else [row])]
    if shape[0] != len(data):
        raise Refused(400, f"Input {name!r} has shape {shape} but {len(data)} values.")
    allowed = _TYPES.get(datatype) if isinstance(datatype, str) else None
    if allowed is None:
        raise Refused(400, f"Input {name!r} has datatype {datatype!r}: use one of {', '.join(_TYPES)}.")
    if not allowed.issuperset(map(type, data)):
        wrong = next(value for value in data if type(value) not in allowed)
        raise Refused(400, f"Input {name!r} is declared {datatype} but holds {wrong!r}.")
    return name, data


def _keys(given: list[Any] | None, document: Mapping[str, Any], id: str, n: int, name: str) -> list[str]:
    if given is None:
        parameters = document.get("parameters")
        parameter = parameters.get("key") if isinstance(parameters, dict) else None
        if parameter is None:
            return [f"{id}:{row}" for row in range(n)]
        given = parameter if isinstance(parameter, list) else [parameter]
        if len(given) != n:
            raise Refused(400, f"parameters.key has {len(given)} keys for {n} rows: send the keys as input {name!r}.")
    if None in given:
        raise Refused(400, f"Row {given.index(None)} has no key: input {name!r} must not be null.")
    return [str(key) for key in given]


def _time(text: Any, name: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise Refused(
            400, f"Input {name!r} holds {text!r}: send ISO 8601 text, such as 2013-03-01T12:30:00Z."
        ) from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def parse_outcomes(document: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    """Keys and labels of `{"outcomes": [{"key": ..., "label": ...}, ...]}`."""
    outcomes = document.get("outcomes")
    if not isinstance(outcomes, list):
        raise Refused(400, 'Send {"outcomes": [{"key": ..., "label": 0 or 1}, ...]}.')
    keys, labels = [], []
    for number, outcome in enumerate(outcomes):
        if not isinstance(outcome, dict) or outcome.get("key") is None or outcome.get("label") is None:
            raise Refused(400, f"Outcome {number} needs a key and a label. No label of this request was recorded.")
        keys.append(str(outcome["key"]))
        labels.append(outcome["label"])
    return keys, labels


def output(name: str, datatype: str, data: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}
