"""The learnt gate on real streams that nobody tuned it on: good partitions held back, and faults caught.

    python3 -m venv /tmp/streams
    /tmp/streams/bin/pip install --no-deps nannyml bokeh_sampledata vega_datasets causaldata
    /tmp/streams/bin/pip install . pandas pyarrow scipy
    /tmp/streams/bin/python bench/gate_streams.py [stream ...]

Nothing is fetched: the packages ship the files. Each stream is cut into partitions by time, or by rows where it has no
finer time, and goes through `decisions.admit` as the loop wires it. Three in a row that are held back in the same
columns are an incident, which a person answers on its day: the three count as held back. Beside it: a
Kolmogorov-Smirnov test of each number and a chi-squared test of each category against the last 30 partitions, at the
declared rate over the number of columns (Bonferroni).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from tidemill.decisions.admit import AdmitAction, BatchFacts, admit
from tidemill.decisions.lasting import Judged, incidents
from tidemill.spec.model_loop import Gate
from tidemill.stats.summary import Summary, summarize

RATE = 0.01
FIRST = 60  # partitions of history before faults are put in
DAY = datetime(2020, 1, 1, tzinfo=UTC)
TUNED = ("census", "temperatures")


def file(package: str, name: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None, f"install {package}"
    return Path(spec.origin).parent / name


def by_time(frame: pd.DataFrame, column: str, every: str) -> list[pd.DataFrame]:
    times = pd.to_datetime(frame[column])
    groups = frame.assign(**{column: times}).groupby(times.dt.to_period(every))
    return [group.drop(columns=column) for _, group in groups if len(group) >= 20]


def by_rows(frame: pd.DataFrame, rows: int) -> list[pd.DataFrame]:
    return [frame.iloc[start : start + rows] for start in range(0, len(frame) - rows + 1, rows)]


def nannyml(name: str, drop: list[str], every: str) -> list[pd.DataFrame]:
    parts = [pd.read_csv(file("nannyml", f"datasets/data/{name}_{part}.csv")) for part in ("reference", "analysis")]
    frame = pd.concat(parts)
    return by_time(frame.drop(columns=[c for c in drop if c in frame]), "timestamp", every)


def census() -> list[pd.DataFrame]:
    parts = [
        pd.read_parquet(file("nannyml", f"datasets/data/employment_MA_{part}.pq")) for part in ("reference", "analysis")
    ]
    frame = pd.concat(parts).sort_values("year", kind="stable")
    return by_rows(
        frame.drop(
            columns=["id", "year", "timestamp", "prediction", "predicted_probability", "employed"], errors="ignore"
        ),
        1000,
    )


def temperatures() -> list[pd.DataFrame]:
    cities = {c: pd.read_csv(file("vega_datasets", f"_data/{c}-temps.csv")) for c in ("seattle", "sf")}
    joined = pd.DataFrame({c: f["temp"] for c, f in cities.items()} | {"date": pd.to_datetime(cities["sf"]["date"])})
    return by_time(joined.assign(hour=joined["date"].dt.hour), "date", "D")


def superstore() -> list[pd.DataFrame]:
    frame = pd.read_csv(file("bokeh_sampledata", "_data/SampleSuperstore.csv.gz"))
    return by_rows(frame.drop(columns="Postal Code"), 60)


def restaurants() -> list[pd.DataFrame]:
    frame = pd.read_csv(file("causaldata", "restaurant_inspections/restaurant_data.csv"))
    return by_rows(frame.sort_values("Year", kind="stable").drop(columns="Year"), 150)


def glucose() -> list[pd.DataFrame]:
    frame = pd.read_csv(file("bokeh_sampledata", "_data/CGM.csv.gz"))
    times = pd.to_datetime(frame["datetime"])
    return by_time(frame.assign(hour=times.dt.hour), "datetime", "D")


STREAMS: dict[str, Callable[[], list[pd.DataFrame]]] = {
    "census": census,
    "temperatures": temperatures,
    "superstore": superstore,
    "restaurants": restaurants,
    "glucose": glucose,
    "car prices": lambda: nannyml("regression_synthetic", ["id", "y_pred", "y_true"], "D"),
    "card applications": lambda: nannyml("mc", ["id", "y_pred", "y_true"], "D"),
    "car loans": lambda: nannyml("synthetic_car_loan", ["id", "y_pred", "y_pred_proba", "repaid"], "D"),
    "housing": lambda: nannyml("california_housing", ["id", "y_pred", "y_pred_proba", "clf_target"], "D"),
}


def faults(day: pd.DataFrame, rng: np.random.Generator) -> Iterator[tuple[str, pd.DataFrame]]:
    numbers = [c for c in day if pd.api.types.is_numeric_dtype(day[c]) and day[c].nunique() > 2]
    texts = [c for c in day if c not in numbers and day[c].nunique() > 1]
    if numbers:
        column = numbers[rng.integers(len(numbers))]
        yield "constant", day.assign(**{column: day[column].iloc[0]})
        yield "nulls", day.assign(**{column: day[column].where(rng.random(len(day)) > 0.3)})
        yield "unit x10", day.assign(**{column: day[column] * 10})
    if len(numbers) > 1:
        one, other = rng.choice(numbers, 2, replace=False)
        yield "swapped columns", day.assign(**{one: day[other].to_numpy(), other: day[one].to_numpy()})
    if texts:
        column = texts[rng.integers(len(texts))]
        common = day[column].value_counts().index
        yield (
            "swapped categories",
            day.assign(**{column: day[column].replace({common[0]: common[-1], common[-1]: common[0]})}),
        )
        yield "lower case", day.assign(**{column: day[column].astype(str).str.swapcase() + " "})
    yield "truncated", day.iloc[: int(0.4 * len(day))]
    yield "duplicated", pd.concat([day, day.iloc[: len(day) // 4]])


def summary(day: pd.DataFrame) -> Summary:
    return summarize({str(name): day[name].to_numpy() for name in day})


class Loop:
    """The gate as loop.admission wires it, and a person who answers on the day of the question."""

    def __init__(self, rate: float) -> None:
        self.gate = Gate(false_alarms=rate)
        self.past: list[Summary] = []
        self.judged: list[Judged] = []
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def verdict(self, found: Summary) -> Judged:
        end = DAY + timedelta(days=1)
        held = [each.unlike for each in self.judged]
        facts = BatchFacts("p", found.rows, DAY, DAY, end, summary=found, history=self.past, held=held)
        verdict = admit(facts, self.gate)
        moved = tuple(each["column"] for each in verdict.evidence.get("moved", ()))
        return Judged(f"{len(self.judged):05}", verdict.action is AdmitAction.QUARANTINE, moved)

    def take(self, found: Summary) -> bool:
        self.judged.append(self.verdict(found))
        self.past.append(found)
        held = self.judged[-1].unlike
        for run in incidents(self.judged):  # the answer: tidemill admit --since
            self.asked.append((int(run.partitions[0]), run.columns))
            members = range(int(run.partitions[0]), len(self.judged))
            self.judged = [replace(j, unlike=False) if n in members else j for n, j in enumerate(self.judged)]
        return held


def ks(day: pd.DataFrame, before: pd.DataFrame, rate: float) -> bool:
    level = rate / len(day.columns)
    for name in day:
        if pd.api.types.is_numeric_dtype(day[name]):
            a, b = day[name].dropna(), before[name].dropna()
            if not len(a) or (len(b) and stats.ks_2samp(a, b).pvalue < level):
                return True
        else:
            both = pd.concat([day[name], before[name]]).astype(str)
            counts = pd.crosstab(both.to_numpy(), np.arange(len(both)) < len(day))
            if counts.shape == (max(counts.shape[0], 2), 2) and stats.chi2_contingency(counts).pvalue < level:
                return True
    return False


def main(names: list[str]) -> None:
    print(f"{'stream':18} {'partitions':>10} {'held back':>10} {'incidents':>9} {'KS':>7}   faults caught by gate / KS")
    for name in names or list(STREAMS):
        days = STREAMS[name]()[:420]
        loop, rng = Loop(RATE), np.random.default_rng(0)
        held, alarms, caught = 0, 0, {}
        for n, day in enumerate(days):
            if n >= FIRST and n % max((len(days) - FIRST) // 12, 1) == 0 and not loop.judged[-1].unlike:
                for kind, broken in faults(day, rng):
                    found = caught.setdefault(kind, [0, 0, 0])
                    found[0] += 1
                    found[1] += loop.verdict(summary(broken)).unlike
                    found[2] += ks(broken, pd.concat(days[max(n - 30, 0) : n]), RATE)
            held += loop.take(summary(day))
            if n >= FIRST:
                alarms += ks(day, pd.concat(days[max(n - 30, 0) : n]), RATE)
        judged = len(days) - 30
        kinds = ", ".join(f"{kind} {gate}/{other}/{of}" for kind, (of, gate, other) in caught.items())
        marked = name + (" (tuned)" if name in TUNED else "")
        print(f"{marked:18} {len(days):10} {held / judged:10.1%} {len(loop.asked):9} "
              f"{alarms / max(len(days) - FIRST, 1):7.1%}   {kinds}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
