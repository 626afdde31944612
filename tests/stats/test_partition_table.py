"""Partitions as rows of scaled statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.numeric import NumericColumn
from tidemill.stats.partition_table import Moved, PartitionTable, known_rows
from tidemill.stats.summary import CategoricalColumn, Feature, Summary


def number(
    mean: float = 0.0, sd: float = 2.0, nulls: float = 0.5, rows: int = 100, name: str = "x", top: float = 0.1
) -> Summary:
    """All quantiles stand still."""
    return Summary(rows, 0.0, {name: NumericColumn(nulls, mean, sd, (0.0,) * 5, 0.5, top)}, {})


def category(distinct: int = 4, nulls: float = 0.0, **top: float) -> Summary:
    return Summary(100, 0.0, {}, {"c": CategoricalColumn(nulls, distinct, top)})


def table(history: Sequence[Summary], partition: Summary, held: Sequence[bool] | None = None) -> PartitionTable:
    return PartitionTable(history, partition, np.array(held or [False] * len(history), dtype=bool))


def deviations(history: Sequence[Summary], partition: Summary, feature: Feature) -> float:
    """How far a statistic of the new partition lies from the median, in its scale."""
    found = table(history, partition)
    return float(np.sinh(found.scaled[-1, found.features.index(feature)]))


NULLS, ROWS, MEAN, SD = ("share", "x", "null share"), ("log", "(rows)", "rows"), ("location", "x", "mean"), \
    ("spread", "x", "sd")  # fmt: skip


@pytest.mark.parametrize(
    ("partition", "feature", "expected"),
    [
        (number(nulls=0.55), NULLS, (np.arcsin(0.55**0.5) - np.arcsin(0.5**0.5)) / 0.05),  # about 1, as declared
        (number(nulls=0.45), NULLS, (np.arcsin(0.45**0.5) - np.arcsin(0.5**0.5)) / 0.05),
        (number(rows=105), ROWS, np.log(1.05) / 0.05),
        (number(sd=3.0), SD, np.log((1.5 + 0.01) / 1.01) / 0.05),
        (number(mean=6.0), MEAN, 3.0),  # it stood still in a column that does not: 1 is a standard deviation
        (number(mean=1e6), MEAN, np.sinh(12.0)),  # more tells no more
        (number(mean=-1e6), MEAN, -np.sinh(12.0)),
    ],
)
def test_a_constant_statistic_is_scaled_by_what_is_of_consequence(
    partition: Summary, feature: Feature, expected: float
) -> None:
    assert deviations([number()] * 20, partition, feature) == pytest.approx(expected)


def test_a_count_of_categories_is_scaled_like_a_poisson_count() -> None:
    history = [category(4, a=0.5)] * 20
    assert deviations(history, category(9, a=0.5), ("count", "c", "distinct values")) == pytest.approx((3 - 2) / 0.5)


@pytest.mark.parametrize(("level", "expected"), [(5.0, 1 / 0.05 / 0.05), (-5.0, 11 / 0.05 / 0.05), (0.0, 6 / 1 / 0.05)])
def test_a_constant_column_is_measured_by_a_hundredth_of_its_size(level: float, expected: float) -> None:
    assert deviations([number(level, 0.0)] * 20, number(6.0, 0.0), MEAN) == pytest.approx(expected)
    assert deviations([number(level, 0.0)], number(6.0, 0.0), MEAN) == pytest.approx(expected)


def test_a_location_that_moves_is_scaled_by_how_much_it_did() -> None:
    """Means of -1 and 1, half a standard deviation from their middle: 1.4826 median deviations."""
    history = [number(mean) for mean in (-1.0, 1.0)] * 10
    assert deviations(history, number(3.0), MEAN) == pytest.approx(1.5 / (1.4826 * 0.5))


def test_a_statistic_that_seldom_moves_is_scaled_by_its_range() -> None:
    """Three in twenty are at .9 instead of .5: no median deviation, but a range from the 5th to the 95th percentile."""
    history = [number(nulls=0.9 if n % 7 == 3 else 0.5) for n in range(21)]
    unit = (np.arcsin(0.9**0.5) - np.arcsin(0.5**0.5)) / 3.29
    expected = (np.arcsin(1.0) - np.arcsin(0.5**0.5)) / unit
    assert deviations(history, number(nulls=1.0), NULLS) == pytest.approx(expected)


def test_partitions_on_which_a_column_moves_much_do_not_say_what_its_spread_is() -> None:
    """The two largest are left out, and those on which it stands still: the root mean square of 1, 1, 7 is the unit."""
    spreads = [0.0, 1.0, 7.0, 500.0, 1.0, 900.0]
    unit = np.sqrt((1 + 1 + 49) / 3)
    history = [number(0.0, sd) for sd in spreads]
    assert deviations(history, number(6.0), MEAN) == pytest.approx(6 / unit)
    assert deviations([number(0.0, 2.0), number(0.0, 4.0)], number(6.0), MEAN) == pytest.approx(6 / 2)


def test_a_statistic_that_does_not_exist_is_no_deviation() -> None:
    nothing = Summary(100, 0.0, {"x": NumericColumn(1.0, None, None, None, 0.0, 0.0)}, {})
    found = table([number(mean) for mean in (1.0, 2.0, 9.0)], nothing)
    assert found.raw[-1, found.features.index(MEAN)] == 2
    assert found.raw[-1, found.features.index(NULLS)] == 1


def test_a_category_that_is_not_listed_has_what_share_it_may_have() -> None:
    history = [category(4, a=0.5, b=0.3)] * 20
    found = table(history, category(4, a=0.5, z=0.2))
    at = {name: found.features.index(("category", "c", name)) for name in "abz"}
    assert found.raw[:, at["b"]].tolist() == [0.3] * 20 + [0.2]
    assert found.raw[:, at["z"]] == pytest.approx([0.2] * 20 + [0.2])


def placed(*rows: float, held: Sequence[bool] | None = None) -> PartitionTable:
    """Partitions that lie on a line: every statistic of a partition has the same scaled value."""
    found = table([number()] * (len(rows) - 1), number(), held)
    found.scaled = np.outer(rows, np.ones(len(found.features)))
    return found


def test_the_distance_is_to_the_five_nearest_that_were_there_before() -> None:
    found = placed(0, 1, 3, 6, 10, 15, 21, 28).distances()
    assert found[[0, 1, 2]] == pytest.approx([0, 1, 2.5])
    assert found[[5, 7]] == pytest.approx([(5 + 9 + 12 + 14 + 15) / 5, (7 + 13 + 18 + 22 + 25) / 5])


def test_each_column_counts_alike_however_many_statistics_it_has() -> None:
    """The column has eleven statistics and the rows two: where one of both moves by 3, the distance is 3 / sqrt(2)."""
    for column in ("x", "(rows)"):
        found = placed(0, 0, 0, 0, 0, 0, 0)
        found.scaled[-1] = [3.0 if feature[1] == column else 0.0 for feature in found.features]
        assert found.distances()[-1] == pytest.approx(3 / np.sqrt(2))


def test_the_excess_is_beyond_the_second_smallest_and_the_second_largest_before() -> None:
    found = placed(0, 10, 5, 20, 12, -3, 7).excesses()
    assert found.max(axis=1) == pytest.approx([0, 0, 5, 15, 2, 8, 0])
    assert found.min(axis=1) == pytest.approx(found.max(axis=1)), "each statistic by itself"


def test_what_was_held_back_right_before_is_no_history_and_afterwards_it_is() -> None:
    held = [False, False, False, True, True, False]
    assert known_rows(np.array(held)).tolist() == [0, 1, 2, 3, 3, 3, 6]
    found = placed(0, 1, 2, 50, 52, 51, 53, held=held)
    assert found.distances()[[4, 5]] == pytest.approx([51, 50])
    assert found.distances()[6] == pytest.approx((1 + 2 + 3 + 51 + 52) / 5)
    assert found.excesses().max(axis=1)[[3, 4, 5, 6]] == pytest.approx([49, 51, 50, 53 - 51])


@given(st.lists(st.booleans(), max_size=20))
def test_nothing_is_compared_with_itself_or_with_what_came_later(held: list[bool]) -> None:
    known = known_rows(np.array(held, dtype=bool))
    assert len(known) == len(held) + 1
    assert all(count <= row for row, count in enumerate(known))
    assert (np.diff(known) >= 0).all()


def ranked(**moved: float) -> list[tuple[Any, ...]]:
    """What is named where the null shares of columns lie so many deviations from history."""
    columns = {name: NumericColumn(0.5, 0.0, 2.0, (0.0,) * 5, 0.5, 0.1) for name in moved}
    found = table([Summary(100, 0.0, columns, {})] * 3, Summary(100, 0.0, columns, {}))
    found.scaled[:] = 0.0
    for name, value in moved.items():
        found.scaled[-1, found.features.index(("share", name, "null share"))] = np.arcsinh(value)
    return [
        (each.column, each.statistic, round(each.deviations, 6)) for each in found.moved(np.zeros(len(found.features)))
    ]


def test_columns_are_named_most_moved_first_and_those_that_moved_a_quarter_as_far() -> None:
    share = "null share"
    assert ranked(a=2.001, b=-8.0, c=1.999) == [("b", share, -8), ("a", share, 2.001)]
    assert ranked(a=3.0, b=1.001, c=0.999) == [("a", share, 3), ("b", share, 1.001)]
    assert ranked(a=0.5, b=0.4) == [("a", share, 0.5)], "one is always named"


def test_what_lies_beyond_its_range_is_named_before_what_deviates_more_within_it() -> None:
    found = table([number()] * 3, number())
    found.scaled[:] = 0.0
    excess = np.zeros(len(found.features))
    rows, nulls = found.features.index(ROWS), found.features.index(NULLS)
    found.scaled[-1, rows], found.scaled[-1, nulls], excess[nulls] = 3.0, 2.0, 0.1
    assert [each.column for each in found.moved(excess)] == ["x", "(rows)"]


def test_what_moved_is_told_in_its_own_units() -> None:
    """Rows are compared as logarithms and told as rows."""
    found = table([number(rows=100)] * 5, number(rows=1000))
    (first, *_) = found.moved(found.excesses()[-1])
    assert (first.column, first.statistic, round(first.value), round(first.typical)) == ("(rows)", "rows", 1000, 100)
    found = table([category(2, a=0.5, b=0.5)] * 5, category(2, a=0.8, b=0.1))
    (first, *_) = found.moved(found.excesses()[-1])
    assert first == Moved("c", "share of 'b'", 0.1, 0.5, pytest.approx(first.deviations))
    assert first.deviations < 0
