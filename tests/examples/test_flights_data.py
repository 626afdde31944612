"""The source: all flights, unique keys, and nothing that is not known at the scheduled departure."""

from __future__ import annotations

import time

import pandas as pd
from flights import data


def test_all_departures_are_there_with_unique_keys_in_order_of_time() -> None:
    frame = data.departures()
    assert len(frame) == 336_776
    assert frame[data.KEY].is_unique
    assert frame[data.EVENT_TIME].is_monotonic_increasing
    assert str(frame[data.EVENT_TIME].dt.tz) == "UTC"


def test_loading_takes_less_than_five_seconds() -> None:
    data.departures.cache_clear()
    began = time.process_time()
    data.departures()
    assert time.process_time() - began < 5


def test_nothing_that_is_delivered_tells_the_outcome() -> None:
    assert not {data.LABEL, data.LABEL_ARRIVAL, "dep_delay", "arr_delay", "air_time", "dep_time"} & set(data.DELIVERED)


def test_cancelled_and_diverted_flights_never_get_a_label() -> None:
    truth = data.outcomes(seed=13)
    assert round(truth[data.LABEL].isna().mean(), 3) == 0.028
    assert truth.loc[truth[data.LABEL].isna(), data.LABEL_ARRIVAL].isna().all()


def test_a_label_comes_after_its_flight_and_a_few_come_days_late() -> None:
    truth = data.outcomes(seed=13).dropna()
    waited = truth[data.LABEL_ARRIVAL] - truth[data.EVENT_TIME]
    assert waited.min() > pd.Timedelta(0)
    assert 0.018 < (waited > pd.Timedelta(days=1)).mean() < 0.022
    assert waited.max() < pd.Timedelta(days=6)
    pd.testing.assert_frame_equal(data.outcomes(seed=13), data.outcomes(seed=13))


def test_weather_is_joined_for_all_but_a_few_hours() -> None:
    assert data.departures()["temp"].isna().mean() < 0.01
