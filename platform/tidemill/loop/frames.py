"""The few things the loop does to a delivered table: canonical key and time, column kinds, columns as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.spec.model_loop import Data

from .errors import DataUnreadable

if TYPE_CHECKING:
    import pandas as pd


def canonical(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Key as text, event time as UTC. Raises DataUnreadable where the event time is no time."""
    import pandas as pd

    frame = frame.copy()
    if data.key in frame:
        frame[data.key] = _keys(frame[data.key])
    if data.event_time in frame:
        try:
            frame[data.event_time] = pd.to_datetime(frame[data.event_time], utc=True)
        except (ValueError, TypeError) as error:
            raise DataUnreadable(f"column {data.event_time} does not hold times: {error}") from error
    return frame


def _keys(column: pd.Series[Any]) -> pd.Series[Any]:
    """As text; where one is missing, whole numbers are read as floats, and 7 is not to become 7.0."""
    import pandas as pd

    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype("str")


def labels_of(frame: pd.DataFrame, data: Data) -> tuple[pd.DataFrame, str]:
    """Columns key and label of the rows that have both; and the first that is neither 0 nor 1, as a phrase, or an empty
    one."""
    import pandas as pd

    given = frame[[data.key, data.label.column]].dropna().set_axis(["key", "label"], axis=1)
    numbers = pd.to_numeric(given["label"], errors="coerce")
    wrong = given[~numbers.isin((0, 1))]
    if len(wrong):
        return given, f"{wrong['label'].tolist()[0]!r} (key {wrong['key'].iloc[0]})"
    return given.assign(label=numbers.astype(float)), ""


def kind_of(column: pd.Series[Any]) -> str:
    """number, text, time or bool: what a model notices when it changes. int and float are one kind (nulls move it).

    A column of nothing but nulls is "nothing": it has lost its values, not changed its type.
    """
    import pandas as pd

    if column.isna().all():
        return "nothing"
    if pd.api.types.is_bool_dtype(column):
        return "bool"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "time"
    return "text"


def kinds_of(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): kind_of(frame[name]) for name in frame.columns}


def changed_kinds(was: dict[str, str], now: dict[str, str]) -> list[tuple[str, str, str]]:
    """(column, was, is) for each column whose kind is another one."""
    return [
        (name, was[name], now[name])
        for name in was
        if name in now and "nothing" not in (was[name], now[name]) and was[name] != now[name]
    ]


def feature_columns(frame: pd.DataFrame, data: Data) -> list[str]:
    """Everything but key, event time and label."""
    return [str(name) for name in frame.columns if name not in (data.key, data.event_time, data.label.column)]


def arrays(frame: pd.DataFrame, columns: list[str]) -> dict[str, np.ndarray]:
    return {name: frame[name].to_numpy() for name in columns}
