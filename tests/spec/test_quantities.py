from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.spec.quantities import (
    format_duration,
    format_rate,
    format_share,
    last_due,
    parse_cron,
    parse_duration,
    parse_rate,
    parse_share,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200ms", timedelta(milliseconds=200)),
        ("6h", timedelta(hours=6)),
        ("14d", timedelta(days=14)),
        ("2w", timedelta(days=14)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("0s", timedelta(0)),
        (" 6h ", timedelta(hours=6)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, value: timedelta) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize("text", ["6", 6, "6 hours", "h", "", "-6h", "6H", "1y", None, True, "6h 30m", [], "1e3s"])
def test_what_is_no_duration_is_told_the_units(text: Any) -> None:
    with pytest.raises(ValueError, match=r"\(ms, s, m, h, d, w\), such as 6h or 14d"):
        parse_duration(text)


def test_a_duration_that_no_calendar_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than a century"):
        parse_duration("99999999999999w")


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36000)))
def test_a_duration_reads_back_as_it_was_written_to_the_millisecond(value: timedelta) -> None:
    rounded = timedelta(milliseconds=round(value.total_seconds() * 1000))
    assert parse_duration(format_duration(rounded)) == rounded


@pytest.mark.parametrize(
    ("text", "value"), [("25%", 0.25), ("0.5 %", 0.005), ("100%", 1.0), ("150%", 1.5), (0.25, 0.25)]
)
def test_a_percentage_is_a_number_and_a_sign_or_a_fraction(text: Any, value: float) -> None:
    assert parse_share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", [25, 1, "25", "%", "-5%", 1.5, True, None, float("nan")])
def test_a_bare_number_is_no_percentage(text: Any) -> None:
    with pytest.raises(ValueError, match="such as 25%"):
        parse_share(text)


@given(st.integers(min_value=0, max_value=10**8))
def test_a_percentage_reads_back_as_it_was_written(millionths: int) -> None:
    share = parse_share(f"{millionths / 1e6:f}%")
    assert parse_share(format_share(share)) == share


@pytest.mark.parametrize(
    ("text", "a_day"), [("1/d", 1.0), ("1/w", 1 / 7), ("2/mo", 2 * 12 / 365.25), ("1/y", 1 / 365.25)]
)
def test_a_rate_is_a_number_a_period(text: str, a_day: float) -> None:
    assert parse_rate(text) == pytest.approx(a_day)
    assert format_rate(parse_rate(text)) == text


@pytest.mark.parametrize("text", [1, "1", "1/year", "0/y", "/y", None, 0.0, float("inf"), -1.0])
def test_what_is_no_rate_is_told_the_periods(text: Any) -> None:
    with pytest.raises(ValueError, match=r"\(d, w, mo, y\), such as 1/y"):
        parse_rate(text)


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_a_rate_reads_back_as_exactly_the_same_value(rate: float) -> None:
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize("text", ["* *", "0 4 * * 1 *", "61 4 * * 1", 4, "", "@daily"])
def test_a_cron_expression_has_five_fields(text: Any) -> None:
    with pytest.raises(ValueError, match="five fields"):
        parse_cron(text)


def test_the_last_due_time_may_be_now() -> None:
    monday = datetime(2026, 11, 16, 4, tzinfo=UTC)
    assert last_due("0 4 * * 1", monday) == monday
    assert last_due("0 4 * * 1", monday - timedelta(seconds=1)) == monday - timedelta(days=7)
