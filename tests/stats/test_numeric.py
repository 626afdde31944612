"""A column of numbers is described by figures that one value cannot spoil."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.numeric import NumericColumn, as_numbers, is_null, rounded, summarize_numbers

NAN = float("nan")


def column(*values: float) -> NumericColumn:
    return summarize_numbers(np.array(values, dtype=float))


def test_a_column_by_hand() -> None:
    found = column(1.0, 2.0, 2.0, 5.0, NAN)
    assert (found.null_share, found.distinct_share, found.top_share, found.cut_share) == (0.2, 0.6, 0.4, 0.0)
    assert (found.mean, found.sd) == (2.5, 1.5)
    assert found.quantiles == (1.03, 1.3, 2.0, 4.1, 4.91)


def test_a_column_without_a_number_has_no_figures_of_numbers() -> None:
    assert column(NAN, NAN) == NumericColumn(1.0, None, None, None, 0.0, 0.0, 0.0)
    assert column() == NumericColumn(0.0, None, None, None, 0.0, 0.0, 0.0)


def test_a_column_of_one_value_does_not_spread() -> None:
    found = column(7.0, 7.0, 7.0)
    assert (found.mean, found.sd, found.distinct_share, found.top_share, found.cut_share) == (7, 0, 0.333333, 1, 0)


def even(last: float, first: float = 0.0) -> np.ndarray:
    """From 0 to 1 in steps of a thousandth; the 1st and 99th percentile are .01 and .99."""
    values = np.linspace(0, 1, 1001)
    values[0], values[-1] = first, last
    return values


@pytest.mark.parametrize(("beyond", "share"), [(0.999, 0.0), (1.001, rounded(1 / 1001))])
def test_values_are_cut_at_ten_times_the_spread_of_the_middle(beyond: float, share: float) -> None:
    assert summarize_numbers(even(last=0.99 + 9.8 * beyond)).cut_share == share
    assert summarize_numbers(even(1.0, first=0.01 - 9.8 * beyond)).cut_share == share


def test_mean_and_spread_are_of_values_that_were_cut() -> None:
    for sentinel in (1e3, 1e9, 1e300):
        found, bounded = summarize_numbers(even(sentinel)), even(0.99 + 9.8)
        assert found.mean == pytest.approx(bounded.mean(), rel=1e-5)
        assert found.sd == pytest.approx(bounded.std(), rel=1e-5)


def test_where_a_hundredth_of_the_values_are_sentinels_the_middle_tells_what_is_usual() -> None:
    """The spread of the 10th to the 90th percentile, where that of the 1st to the 99th is a million times as large."""
    values = np.concatenate([np.linspace(0, 1, 981), np.full(20, 1e9)])
    low, high = np.quantile(values, (0.1, 0.9))
    found = summarize_numbers(values)
    assert found.cut_share == rounded(20 / 1001)
    bounded = np.clip(values, low - 10 * (high - low), high + 10 * (high - low))
    assert found.mean == pytest.approx(bounded.mean(), rel=1e-5)
    assert found.mean < 1
    ordinary = np.concatenate([np.linspace(0, 1, 981), np.full(20, 1e5)])
    assert summarize_numbers(ordinary).cut_share == 0, "a long tail is no sentinel"


def test_what_is_mostly_one_value_is_cut_by_how_far_the_others_usually_lie() -> None:
    """Two thousand zeros, and a few others at 1, 2 and 2: ten times their median is 20."""
    rare = [*[0.0] * 2000, 1.0, 2.0, 2.0]
    assert column(*rare, 19.0).cut_share == 0
    assert column(*rare, 21.0).cut_share == rounded(1 / 2004)
    assert column(*rare, -21.0).cut_share == rounded(1 / 2004)
    dry = [*[0.0] * 950, *np.linspace(1, 2, 50)]
    assert column(*dry).cut_share == 0, "rain on one day in twenty is the usual"


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=40))
def test_figures_are_finite_and_shares_are_shares(values: list[float]) -> None:
    found = column(*values)
    shares = (found.null_share, found.distinct_share, found.top_share, found.cut_share)
    assert all(0 <= share <= 1 for share in shares)
    if found.mean is not None and found.sd is not None:
        assert np.isfinite([found.mean, found.sd]).all()


def objects(*values: object) -> np.ndarray:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (np.array([1, 2], dtype="uint8"), [1, 2]),
        (np.array([1.5, np.inf, -np.inf]), [1.5, NAN, NAN]),
        (objects(Decimal("1.5"), None, 2, np.float32(0.5), pd.NA), [1.5, NAN, 2, 0.5, NAN]),
        (np.array(["2024-01-01T06:30:36", "NaT"], dtype="datetime64[ns]"), [6.51, NAN]),
        (objects(datetime(2024, 1, 1, 6, 30, 36, tzinfo=UTC), pd.NaT), [6.51, NAN]),
        (objects(datetime(2024, 1, 1, 6, 30, 36)), [6.51]),
        (
            objects(datetime(2024, 1, 1, 1, 30, tzinfo=EAST), datetime.max.replace(tzinfo=EAST)),
            [23.5, 21 + 3599 / 3600],
        ),
    ],
)
def test_numbers_and_times_are_numbers(values: np.ndarray, numbers: list[float]) -> None:
    found = as_numbers(values)
    assert found is not None
    assert found == pytest.approx(np.array(numbers), nan_ok=True)


@pytest.mark.parametrize(
    "values",
    [
        np.array([True, False]), np.array(["a"]), objects("a", 1), objects(True, 1), objects(1, True, None),
        objects(None, NAN), objects(),
    ],
)  # fmt: skip
def test_what_holds_anything_else_or_nothing_is_a_category(values: np.ndarray) -> None:
    assert as_numbers(values) is None


@pytest.mark.parametrize("value", [None, NAN, np.float32("nan"), pd.NA, pd.NaT])
def test_nothing_has_many_names(value: object) -> None:
    assert is_null(value)


@pytest.mark.parametrize("value", [0, 0.0, "", "nan", False, np.inf, Decimal("NaN")])
def test_what_is_small_or_empty_is_something(value: object) -> None:
    assert not is_null(value)


def test_figures_keep_six_digits() -> None:
    assert (rounded(1 / 3), rounded(123456789.0), rounded(1e-9 / 3)) == (0.333333, 123457000.0, 3.33333e-10)
