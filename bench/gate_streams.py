"""The learnt gate on real streams that nobody tuned it on: good partitions held back, and faults caught.

    python3 -m venv /tmp/streams
    /tmp/streams/bin/pip install --no-deps nannyml bokeh_sampledata vega_datasets causaldata
    /tmp/streams/bin/pip install evidently==0.7.23  # or leave it out
    /tmp/streams/bin/pip install . pandas pyarrow scipy
    /tmp/streams/bin/python bench/gate_streams.py [stream ...]

Nothing is fetched: the packages ship the files. Each stream is cut into partitions by time, or by rows where it has no
finer time, and goes through `decisions.admit` as the loop wires it. Three in a row that are held back in the same
columns are an incident, which a person answers on its day: the three count as held back. Beside it: a
Kolmogorov-Smirnov test of each number and a chi-squared test of each category against the last 30 partitions, at the
declared rate over the number of columns (Bonferroni). Where it is installed, Evidently's DataDriftPreset as well, with
the same reference and its own settings; of good partitions it is asked about 12 a stream, drawn with a
seed, and of the partitions that faults are put into about every fourth.
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
from gate_peers import EVIDENTLY, evidently, ks
from tidemill.decisions.admit import AdmitAction, BatchFacts, admit
from tidemill.decisions.lasting import Judged, incidents
from tidemill.spec.model_loop import Gate
from tidemill.stats.summary import Summary, summarize

RATE = 0.01
FIRST = 60  # partitions of history before faults are put in
DAY = datetime(2020, 1, 1, tzinfo=UTC)
GOOD, EVERY = 12, 4  # Evidently is slow: it is asked about so many good partitions, and every such set of faults
PEERS = ("gate", "KS", *(("Evidently (half of the columns)", "Evidently (any column)") if EVIDENTLY else ()))
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


def main(names: list[str]) -> None:
    print(f"partitions, share held back, incidents; share of good partitions flagged by {', '.join(PEERS[1:])};")
    print(f"faults caught by {' / '.join(PEERS)}")
    for name in names or list(STREAMS):
        days = STREAMS[name]()[:420]
        loop, rng = Loop(RATE), np.random.default_rng(0)
        later = np.arange(FIRST, len(days))
        asked = set(np.random.default_rng(1).permutation(later)[:GOOD].tolist())
        held, sets, caught = 0, 0, {}
        alarms: list[list[bool]] = [[], [], []]
        for n, day in enumerate(days):
            before = pd.concat(days[max(n - 30, 0) : n]) if n else day
            if n >= FIRST and n % max((len(days) - FIRST) // 12, 1) == 0 and not loop.judged[-1].unlike:
                for kind, broken in faults(day, rng):
                    says = [loop.verdict(summary(broken)).unlike, *beside(broken, before, sets % EVERY == 0)]
                    found = caught.setdefault(kind, np.zeros((len(PEERS), 2), int))
                    found[: len(says)] += np.array([says, [1] * len(says)]).T
                sets += 1
            held += loop.take(summary(day))
            if n >= FIRST:
                for alarm, own in zip(alarms, beside(day, before, n in asked), strict=False):
                    alarm.append(own)
        flagged = "  ".join(f"{np.mean(own):7.1%}" if own else "      -" for own in alarms)
        marked = name + (" (tuned)" if name in TUNED else "")
        total = sum(caught.values(), np.zeros((len(PEERS), 2), int))
        print(f"{marked:18} {len(days):5} {held / (len(days) - 30):6.1%} {len(loop.asked)}  {flagged}   "
              f"{told(total)}", flush=True)  # fmt: skip
        print("   ", ", ".join(f"{kind}: {told(found)}" for kind, found in caught.items()), flush=True)


def told(found: np.ndarray) -> str:
    return " / ".join(f"{caught} of {of}" for caught, of in found)


def beside(day: pd.DataFrame, before: pd.DataFrame, all_of_them: bool) -> list[bool]:
    """What the peers say; KS alone where not `all_of_them`."""
    return [ks(day, before, RATE), *(evidently(day, before) if EVIDENTLY and all_of_them else ())]


if __name__ == "__main__":
    main(sys.argv[1:])
