"""Ways in which a day of data breaks on its way, as pipelines really break it; drawn from a seed, never announced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

Corrupt = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]
Kind = Callable[[np.random.Generator], tuple[str, Corrupt]]

MIN_DAYS_APART = 10
CITIES = {"EWR": "Newark", "JFK": "New York", "LGA": "New York"}


@dataclass(frozen=True)
class Fault:
    """One corrupted day. `corrupt` maps the day's true batch to the delivered one and leaves its argument alone."""

    day: date
    kind: str
    description: str
    corrupt: Corrupt


def nulls(rng: np.random.Generator) -> tuple[str, Corrupt]:
    columns = _one_of(rng, [("carrier",), ("dest",), ("temp", "dewp", "humid", "visib")])
    share = rng.uniform(0.4, 0.9)

    def corrupt(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        day.loc[rng.random(len(day)) < share, list(columns)] = None
        return day

    return f"{', '.join(columns)} lost in {share:.0%} of the rows", corrupt


def unit_change(rng: np.random.Generator) -> tuple[str, Corrupt]:
    columns, text, convert = _one_of(
        rng,
        [
            (("temp", "dewp"), "from Fahrenheit to Celsius", lambda values: (values - 32) / 1.8),
            (("distance",), "from miles to kilometres", lambda values: (values * 1.609344).round().astype("int64")),
            (("pressure",), "from hectopascals to inches of mercury", lambda values: values / 33.8639),
        ],
    )

    def corrupt(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        for column in columns:
            day[column] = convert(day[column])
        return day

    return f"{', '.join(columns)} {text}", corrupt


def swapped_columns(rng: np.random.Generator) -> tuple[str, Corrupt]:
    one, other = _one_of(rng, [("temp", "dewp"), ("humid", "pressure"), ("wind_dir", "wind_speed"), ("origin", "dest")])

    def corrupt(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return day.assign(**{one: day[other], other: day[one]})

    return f"{one} and {other} changed places", corrupt


def duplicated_rows(rng: np.random.Generator) -> tuple[str, Corrupt]:
    share = rng.uniform(0.1, 0.6)

    def corrupt(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return pd.concat([day, day[rng.random(len(day)) < share]], ignore_index=True)

    return f"{share:.0%} of the rows came twice", corrupt


def truncated_day(rng: np.random.Generator) -> tuple[str, Corrupt]:
    share = rng.uniform(0.35, 0.7)

    def corrupt(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return day.head(int(len(day) * share))

    return f"the transfer broke off after {share:.0%} of the day", corrupt


def stuck_sensor(rng: np.random.Generator) -> tuple[str, Corrupt]:
    columns = _one_of(rng, [("temp", "dewp", "humid"), ("pressure",), ("wind_dir", "wind_speed", "wind_gust")])

    def corrupt(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        for column in columns:
            day[column] = day.groupby("origin")[column].transform("first")
        return day

    return f"{', '.join(columns)} repeat the morning's reading all day, at every airport", corrupt


def wrong_spelling(rng: np.random.Generator) -> tuple[str, Corrupt]:
    column, text, spell = _one_of(
        rng,
        [
            ("carrier", "in lower case", str.lower),
            ("carrier", "with a blank behind", "{} ".format),
            ("origin", "as city names", lambda code: CITIES.get(code, code)),
            ("dest", "in lower case", str.lower),
        ],
    )
    share = rng.uniform(0.3, 1.0)

    def corrupt(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        wrong = rng.random(len(day)) < share
        day[column] = day[column].where(~wrong, day[column].map(spell))
        return day

    return f"{column} {text} in {share:.0%} of the rows", corrupt


def shifted_clock(rng: np.random.Generator) -> tuple[str, Corrupt]:
    text, shift = _one_of(
        rng,
        [
            ("local time taken for UTC and converted again, five hours early", lambda hour: hour - 5),
            ("afternoon and evening lost from a twelve-hour clock", lambda hour: hour % 12),
        ],
    )

    def corrupt(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        hour = shift(day["hour"]).clip(lower=0)  # the batch stays in its partition: a day's file is named by the day
        moved = pd.to_timedelta(hour - day["hour"], unit="h").astype("timedelta64[us]")
        return day.assign(hour=hour, scheduled_departure=day["scheduled_departure"] + moved)

    return text, corrupt


KINDS: dict[str, Kind] = {
    "nulls": nulls,
    "unit change": unit_change,
    "swapped columns": swapped_columns,
    "duplicated rows": duplicated_rows,
    "truncated day": truncated_day,
    "stuck sensor": stuck_sensor,
    "wrong category spelling": wrong_spelling,
    "shifted clock": shifted_clock,
}


def draw(seed: int, first: date, last: date) -> list[Fault]:
    """One fault of each kind, in a random order, spread over [first, last]: one in each of as many equal stretches,
    never two within MIN_DAYS_APART."""
    rng = np.random.default_rng([seed, 2])
    stretch = ((last - first).days + 1) // len(KINDS)
    drawn = []
    for position, kind in enumerate(rng.permutation(list(KINDS))):
        offset = int(rng.integers(0, stretch - MIN_DAYS_APART))
        description, corrupt = KINDS[str(kind)](rng)
        drawn.append(Fault(first + timedelta(days=position * stretch + offset), str(kind), description, corrupt))
    return drawn


def _one_of(rng: np.random.Generator, options: list) -> tuple:
    return options[int(rng.integers(len(options)))]
