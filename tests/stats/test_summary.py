from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.numeric import NumericColumn
from tidemill.stats.summary import TOP, CategoricalColumn, Summary, summarize
from tidemill.stats.text import Shape

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


def listed(*counts: int) -> dict[str, float]:
    """The categories that are kept of names A, B, ... of which each occurs so often."""
    values = [f"{n:02}" for n, count in enumerate(counts) for _ in range(count)]
    return dict(summarize({"x": objects(*values)}).categorical["x"].top)


def test_where_most_values_differ_they_are_names_of_rows_and_no_categories() -> None:
    assert len(listed(*[1] * 20)) == 20, "few enough to be listed, whatever they are"
    assert listed(*[1] * 21) == {}
    assert len(listed(*[2] * 30)) == 20, "as many as half of the rows"
    assert listed(*[2] * 29, 1, 1) == {}


def test_the_twenty_most_common_are_kept_and_of_equals_the_first_by_name() -> None:
    assert list(listed(*[3] * 25)) == [f"{n:02}" for n in range(20)]
    assert next(iter(listed(*[3] * 24, 5))) == "24"
    assert listed(*[3] * 24, 5)["24"] == pytest.approx(5 / 77, rel=1e-5)


def test_minus_zero_is_zero_where_rows_are_compared() -> None:
    assert summarize({"x": np.array([0.0, -0.0])}).duplicate_share == 0.5


def test_rows_that_hold_the_same_values_in_other_columns_are_not_the_same() -> None:
    assert summarize({"a": np.array([1.0, 2.0]), "b": np.array([2.0, 1.0])}).duplicate_share == 0


def test_no_rows_have_no_shares() -> None:
    empty = summarize({"x": np.array([]), "y": objects()})
    assert (empty.rows, empty.duplicate_share) == (0, 0.0)
    assert (empty.numeric["x"].null_share, empty.categorical["y"].null_share) == (0.0, 0.0)
    assert summarize({}) == Summary(0, 0.0, {}, {})
    assert empty.features["log", "(rows)", "rows"] == 0
    assert empty.features["share", "y", "distinct share"] == 0


def test_a_summary_of_a_newer_version_is_refused() -> None:
    document = summarize({"x": np.array([1.0])}).to_dict()
    assert Summary.from_dict(document | {"version": 2}).rows == 1
    with pytest.raises(ValueError, match="version 3 was written by a newer Tidemill"):
        Summary.from_dict(document | {"version": 3})


def test_long_names_of_the_first_version_are_kept_where_a_shape_was_stored_with_them() -> None:
    shape = Shape(60.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0)
    column = CategoricalColumn(0.0, 2, {"x" * 60: 0.5, "y": 0.5}, shape)
    stored = Summary(2, 0.0, {}, {"c": column})
    assert Summary.from_dict(json.loads(json.dumps(stored.to_dict()))) == stored


def test_every_figure_of_a_summary_is_a_feature_and_its_kind_tells_the_scale() -> None:
    number = NumericColumn(0.1, 5.0, 2.0, (1.0, 2.0, 3.0, 4.0, 9.0), 0.7, 0.2, 0.05)
    nothing = NumericColumn(1.0, None, None, None, 0.0, 0.0)
    category = CategoricalColumn(0.25, 40, {"EWR": 0.5}, Shape(0.2, 0.6, 0.3, 0.1, 0.9, 0.5, 0.4))
    found = Summary(80, 0.3, {"n": number, "none": nothing}, {"c": category}).features
    assert found == {
        ("log", "(rows)", "rows"): np.log(80), ("share", "(rows)", "duplicates"): 0.3,
        ("share", "n", "null share"): 0.1, ("share", "n", "distinct share"): 0.7,
        ("share", "n", "share of the most common value"): 0.2, ("share", "n", "share of extreme values"): 0.05,
        ("location", "n", "mean"): 5.0, ("spread", "n", "sd"): 2.0, ("location", "n", "q0.01"): 1.0,
        ("location", "n", "q0.1"): 2.0, ("location", "n", "q0.5"): 3.0, ("location", "n", "q0.9"): 4.0,
        ("location", "n", "q0.99"): 9.0, ("share", "none", "null share"): 1.0,
        ("share", "c", "null share"): 0.25, ("share", "c", "distinct share"): 0.5,
        ("count", "c", "distinct values"): 40.0, ("category", "c", "EWR"): 0.5, ("log", "c", "length"): np.log(0.5),
        ("share", "c", "share of letters"): 0.6, ("share", "c", "share of digits"): 0.3,
        ("share", "c", "share of spaces"): 0.1, ("share", "c", "share of capitals"): 0.9,
        ("share", "c", "share of the most common value"): 0.5, ("share", "c", "share of empty values"): 0.4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "share"),
    [
        (CategoricalColumn(0.0, 2, {"a": 0.6, "b": 0.4}), 0.0),  # all are listed
        (CategoricalColumn(0.1, 4, {"a": 0.6, "b": 0.1}), 0.1),  # as rare as the rarest, of .2 that are left
        (CategoricalColumn(0.1, 4, {"a": 0.5, "b": 0.35}), 0.05),  # what is left
        (CategoricalColumn(0.0, 50, {}), 0.02),  # one row, where none is listed
        (CategoricalColumn(0.0, 3, {"a": 0.8, "b": 0.3}), 0.0),
    ],
)
def test_a_category_that_is_not_listed_may_have_what_the_rarest_has(column: CategoricalColumn, share: float) -> None:
    assert Summary(50, 0.0, {}, {"c": column}).unlisted == {"c": pytest.approx(share)}
