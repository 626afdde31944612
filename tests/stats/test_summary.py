from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.summary import TOP, Summary, summarize

cell = st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-5, 5), st.text(max_size=3), st.booleans())


def objects(*values: object) -> np.ndarray:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


@given(st.lists(st.tuples(cell, cell, st.floats()), max_size=30))
def test_any_table_has_a_summary_that_survives_json(rows: list[tuple[object, object, float]]) -> None:
    columns = {
        "a": objects(*(row[0] for row in rows)),
        "b": objects(*(row[1] for row in rows)),
        "c": np.array([row[2] for row in rows], dtype=float),
    }
    with np.errstate(all="ignore"):
        summary = summarize(columns)
    document = json.loads(json.dumps(summary.to_dict()))
    assert json.loads(json.dumps(Summary.from_dict(document).to_dict())) == document
    assert summary.rows == len(rows)


def test_numbers_are_told_by_dtype() -> None:
    summary = summarize({"x": np.array([1.0, 2.0, np.nan, 2.0]), "n": np.array([1, 2, 3, 4])})
    x = summary.numeric["x"]
    assert (x.null_share, x.mean, x.distinct_share, x.top_share) == (0.25, pytest.approx(5 / 3, rel=1e-5), 0.5, 0.5)
    assert x.quantiles is not None
    assert x.quantiles[2] == 2.0
    assert summary.numeric["n"].sd == pytest.approx(np.std([1, 2, 3, 4]), rel=1e-5)


def test_infinite_numbers_count_as_nulls() -> None:
    column = summarize({"x": np.array([1.0, np.inf, -np.inf, 3.0])}).numeric["x"]
    assert (column.null_share, column.mean) == (0.5, 2.0)


def test_numbers_with_nulls_in_an_object_column_are_numbers() -> None:
    assert summarize({"x": objects(1, None, 2.5)}).numeric["x"].null_share == pytest.approx(1 / 3, rel=1e-5)
    nullable = pd.Series([1, None, 3], dtype="Int64").to_numpy()
    assert summarize({"x": nullable}).numeric["x"].mean == 2.0


def test_a_bool_is_a_category() -> None:
    assert summarize({"b": np.array([True, False, True, True])}).categorical["b"].top == {"True": 0.75, "False": 0.25}
    assert summarize({"b": objects(True, None)}).categorical["b"].top == {"True": 0.5}


PARIS = timezone(timedelta(hours=1))
TIMES = ["2013-01-01 06:30", "2013-05-05 06:30"]
MIXED = [datetime(2013, 1, 1, 7, 30, tzinfo=PARIS), datetime(2013, 1, 2, 6, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(pd.to_datetime(TIMES)),
        pd.Series(pd.to_datetime(TIMES, utc=True)),
        pd.Series(MIXED, dtype=object),
    ],
)
def test_a_time_is_its_hour_of_the_day(series: pd.Series) -> None:
    assert summarize({"t": series.to_numpy()}).numeric["t"].quantiles == (6.5,) * 5


def test_categories_keep_the_most_common_and_the_nulls() -> None:
    values = objects(*["a"] * 5, *["b"] * 3, None, float("nan"))
    column = summarize({"x": values}).categorical["x"]
    assert (column.null_share, column.distinct, column.top) == (0.2, 2, {"a": 0.5, "b": 0.3})


def test_a_key_is_no_category() -> None:
    column = summarize({"key": objects(*(f"k{n}" for n in range(100)))}).categorical["key"]
    assert (column.distinct, column.top) == (100, {})


def test_rows_that_repeat_are_counted_whole() -> None:
    columns = {"a": np.array([1, 1, 1, 2]), "b": objects("x", "x", "y", "x")}
    assert summarize(columns).duplicate_share == 0.25
    assert summarize({"a": np.array([1.0, np.nan, np.nan])}).duplicate_share == pytest.approx(1 / 3, rel=1e-5)


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    columns = {"a": rng.normal(size=300), "b": rng.choice(objects(*"abcdefgh"), 300)}
    order = rng.permutation(300)
    assert summarize(columns) == summarize({name: values[order] for name, values in columns.items()})


def test_a_wide_table_stays_a_few_kilobytes_a_dozen_columns() -> None:
    rng = np.random.default_rng(0)
    columns = {f"n{i}": rng.normal(size=500) for i in range(6)}
    columns |= {f"c{i}": rng.choice(objects(*(f"value{n}" for n in range(60))), 500) for i in range(6)}
    summary = summarize(columns)
    assert all(len(column.top) == TOP for column in summary.categorical.values())
    assert len(json.dumps(summary.to_dict())) < 6000


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        summarize({"a": np.zeros(3), "b": np.zeros(2)})
