"""The world: the same for the same seed, honest about time, and broken only where it says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from flights import data, faults
from flights.world import FlightsYear


@pytest.fixture(scope="module")
def world() -> FlightsYear:
    return FlightsYear(seed=13)


@pytest.fixture(scope="module")
def clean() -> FlightsYear:
    return FlightsYear(seed=13, faults=False)


def _days_of_faults(world: FlightsYear) -> list[date]:
    return [date.fromisoformat(fault["day"]) for fault in world.faults()]


def test_the_same_seed_gives_the_same_world(world: FlightsYear) -> None:
    again = FlightsYear(seed=13)
    assert world.faults() == again.faults()
    for day in _days_of_faults(world):
        pd.testing.assert_frame_equal(world.delivered(day), again.delivered(day))
        pd.testing.assert_frame_equal(world.delivered(day), world.delivered(day))


@pytest.mark.parametrize("seed", range(40))
def test_every_kind_of_fault_comes_once_and_never_two_within_ten_days(seed: int) -> None:
    drawn = faults.draw(seed, FlightsYear.live_from, FlightsYear.last)
    days = sorted(fault.day for fault in drawn)
    assert {fault.kind for fault in drawn} == set(faults.KINDS)
    assert FlightsYear.live_from <= days[0]
    assert days[-1] <= FlightsYear.last
    assert all(later - earlier >= timedelta(days=10) for earlier, later in pairwise(days))


@pytest.mark.parametrize("seed", range(8))
def test_a_fault_changes_its_day_and_keeps_the_columns_and_the_partition(seed: int, clean: FlightsYear) -> None:
    world = FlightsYear(seed=seed)
    for day in _days_of_faults(world):
        delivered, true = world.delivered(day), clean.delivered(day)
        assert list(delivered.columns) == list(true.columns)
        assert not delivered.equals(true), (day, seed)
        assert set(delivered[data.EVENT_TIME].dt.date) == {day}


def test_other_days_are_delivered_as_they_were(world: FlightsYear, clean: FlightsYear) -> None:
    broken = set(_days_of_faults(world))
    for day in (date(2013, 3, 1), date(2013, 7, 4), date(2013, 12, 31)):
        assert day not in broken
        pd.testing.assert_frame_equal(world.delivered(day), clean.delivered(day))


def test_a_shorter_replay_is_the_beginning_of_the_longer_one(world: FlightsYear) -> None:
    short = FlightsYear(seed=13, days=60)
    assert short.end == date(2013, 4, 29)
    assert short.faults() == [fault for fault in world.faults() if fault["day"] <= "2013-04-29"]


def test_each_label_becomes_known_exactly_once(world: FlightsYear) -> None:
    moments = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(hours=19 * n) for n in range(12)]
    parts = [world.labels(now, since) for since, now in pairwise(moments)]
    whole = world.labels(moments[-1], moments[0])
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    assert whole["key"].is_unique
    assert set(whole["label"]) == {0.0, 1.0}


def test_no_label_is_known_before_its_flight(world: FlightsYear) -> None:
    noon = datetime(2013, 5, 2, 12, tzinfo=UTC)
    known = set(world.labels(noon, datetime(2013, 1, 1, tzinfo=UTC))["key"])
    day = world.delivered(date(2013, 5, 2))
    assert not known & set(day.loc[day[data.EVENT_TIME] >= noon, data.KEY])


def test_truth_is_of_the_delivered_flights_each_once(world: FlightsYear) -> None:
    for day in [date(2013, 6, 3), *_days_of_faults(world)]:
        truth = world.truth(day)
        assert truth["key"].is_unique
        assert truth["label"].notna().all()
        assert set(truth["key"]) <= set(world.delivered(day)[data.KEY])
        assert len(truth) > 0.5 * world.delivered(day)[data.KEY].nunique()


def test_without_faults_no_challenger_is_spoilt(world: FlightsYear, clean: FlightsYear) -> None:
    assert [n for n in range(1, 9) if world.sabotage(n)] == [2, 4]
    assert [n for n in range(1, 9) if clean.sabotage(n)] == []


def test_a_day_outside_the_year_is_refused_by_name(world: FlightsYear) -> None:
    with pytest.raises(KeyError, match="no flights on 2014-01-01"):
        world.delivered(date(2014, 1, 1))
    with pytest.raises(ValueError, match="0 days"):
        FlightsYear(days=0)
