"""A model's columns, as MLflow recorded them, and the frame that its estimator gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .refusals import Refused

if TYPE_CHECKING:
    import pandas as pd

Cells = list[list[Any]]  # one list a column, in the schema's order
_NUMBERS = {"double": np.float64, "float": np.float32, "long": np.int64, "integer": np.int32}
_DATATYPES = {"double": "FP64", "float": "FP32", "long": "INT64", "integer": "INT32", "boolean": "BOOL"}


@dataclass(frozen=True)
class Column:
    name: str
    type: str  # MLflow's: double, float, long, integer, boolean, string, datetime, binary
    required: bool = True


@dataclass(frozen=True)
class Schema:
    columns: tuple[Column, ...] = field(default=())

    @cached_property
    def plain(self) -> bool:
        """Nothing but doubles."""
        return all(column.type == "double" for column in self.columns)

    @cached_property
    def _names(self) -> pd.Index:
        import pandas as pd

        return pd.Index([column.name for column in self.columns])

    def cells(self, given: Mapping[str, list[Any]]) -> Cells:
        """The model's columns out of a request's. Raises Refused (400) for one that is missing or of another type."""
        n = len(next(iter(given.values())))
        cells = []
        for column in self.columns:
            values = given.get(column.name)
            if values is None:
                if column.required:
                    raise Refused(400, f"Input {column.name!r} is missing; the model needs it ({self._wanted()}).")
                values = [None] * n
            elif column.type not in _NUMBERS or str in set(map(type, values)):
                values = _converted(column, values)
            cells.append(values)
        return cells

    def frame(self, parts: Sequence[Cells]) -> pd.DataFrame:
        """The rows of all parts, in order. Nulls are NaN, or None in text."""
        import pandas as pd

        if self.plain:
            return pd.DataFrame(self.array(parts), columns=self._names, copy=False)
        joined = self._joined(parts)
        data = {c.name: _array(c, values) for c, values in zip(self.columns, joined, strict=True)}
        return pd.DataFrame(data)

    def array(self, parts: Sequence[Cells]) -> np.ndarray[Any, Any]:
        """The same as floats, shape (rows, columns); for a plain schema."""
        return np.array(self._joined(parts), dtype=float).T

    def _joined(self, parts: Sequence[Cells]) -> Cells:
        if len(parts) == 1:
            return parts[0]
        return [[value for part in parts for value in part[at]] for at in range(len(self.columns))]

    def tensors(self) -> list[dict[str, Any]]:
        """The metadata of the protocol's `inputs`."""
        return [{"name": c.name, "datatype": _DATATYPES.get(c.type, "BYTES"), "shape": [-1]} for c in self.columns]

    def _wanted(self) -> str:
        return ", ".join(column.name for column in self.columns)


def read_schema(folder: Path) -> Schema | None:
    """From the signature in the folder's MLmodel; None where it has no columns."""
    import yaml

    document = yaml.safe_load((folder / "MLmodel").read_text())
    inputs = json.loads(((document.get("signature") or {}).get("inputs")) or "[]")
    columns = tuple(Column(item["name"], item["type"], item.get("required", True)) for item in inputs if "name" in item)
    return Schema(columns) if columns and len(columns) == len(inputs) else None


def _converted(column: Column, values: list[Any]) -> list[Any]:
    convert = _CONVERT.get(column.type)
    if convert is None:
        return values
    try:
        return [None if value is None else convert(value) for value in values]
    except (TypeError, ValueError) as error:
        raise Refused(
            400, f"Input {column.name!r} must be {column.type}, as the model was trained: {error}."
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _truth(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError(f"{value!r} is neither true nor false")
    return bool(value)


def _moment(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "boolean": _truth,
    "datetime": _moment,
    **dict.fromkeys(_NUMBERS, float),
}


def _array(column: Column, values: list[Any]) -> Any:
    import pandas as pd

    number = _NUMBERS.get(column.type)
    if column.type == "datetime":
        return pd.to_datetime(pd.Series(values, dtype=object), utc=True)
    if number is None:
        return values
    if None in values:
        return np.array(values, dtype=np.float32 if number is np.float32 else np.float64)
    return np.array(values, dtype=number)
