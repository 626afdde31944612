"""How often the rollout judge is wrong, and how long it takes, as it is wired: ticks, with the repair in the loop.

    python bench/judge_simulation.py [--runs 20] [--seconds 180] [--seed 1] [--only NAME]

Every run is a loop of its own (bench/rollout_world.py): a champion that has served for a month, then a challenger in
shadow. Predictions and outcomes are simulated, everything else is the product. "rows": outcomes are independent.
"days": each day has a cause of its own, sd 0.5 on the logit. "spells": that cause keeps 0.6 of the day before.
"batches": 50 outcomes, which come over a day, share a cause, sd 1, and each model has an error of its own for each
batch; batches are independent. "hard days": on one day in five a quarter of the labels never comes, and the
challenger's whole excess lies on these days. The challenger predicts as the champion does, with noise of its own
(`rank`: it ranks worse, at the same level; by row, or by batch) or with a shift of its level (`level`).
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rollout_world import NAME, PAST, Stream, World, loop
from scipy.stats import norm
from tidemill.decisions.judge import AT_LEVEL
from tidemill.stats.calibration import apply, fit
from tidemill.stats.eprocess import non_inferiority, part_ends
from tidemill.stats.scores import log_loss_rows

MARGIN, DAYS = 0.02, 29
ALPHA, POWER = 0.05, 0.8
HOURLY = tuple(float(hour) for hour in range(1, 25))
HARD_LOSES = 0.25  # share of the labels
CAUSES = {"rows": (0.0, 0.0), "days": (0.5, 0.0), "spells": (0.5, 0.6), "batches": (1.0, 0.0)}
BATCH, BATCH_ERROR = 50, 0.3  # rows; sd on the logit of what each model makes of a batch


@dataclass(frozen=True)
class Case:
    """`excess`: expected log loss of the challenger minus the champion's, by worse ranking or by a shifted level."""

    name: str
    excess: float
    kind: str = "rows"
    rows: int = 250
    by: str = "rank"
    recalibrate: str = "daily"
    block: Any = "auto"
    single_rows: bool = False  # by decree, which the product does not take
    past: int = PAST
    slow: tuple[float, float] = (0.05, 0.05)  # days until the labels of class 0 and of class 1
    ticks: tuple[float, ...] = (7.0,)
    hard: float = 0.0  # share of days that are hard
    days: int = DAYS  # that are simulated, from the one on which the rollout begins
    give_up: str = "14d"  # on a label


def stream(rng: np.random.Generator, case: Case) -> Stream:
    if case.kind == "batches":
        return _batches(rng, case)
    days = case.past + case.days
    shape = (days, case.rows)
    sd, keep = CAUSES[case.kind]
    cause = rng.standard_normal(days)
    for day in range(1, days):
        cause[day] = keep * cause[day - 1] + np.sqrt(1 - keep**2) * cause[day]
    logit = -1.2 + 0.9 * rng.standard_normal(shape)
    label = rng.random(shape) < _sigmoid(logit + sd * cause[:, None])
    champion = logit + 0.25 * rng.standard_normal(shape)
    noise, shift = _worse(case.excess / (case.hard or 1.0), case.by, case.kind, case.recalibrate)
    challenger = logit + np.hypot(0.25, noise) * rng.standard_normal(shape) + shift
    hour = np.sort(rng.uniform(0, 24, shape), axis=1)
    delay = np.where(label, case.slow[1], case.slow[0])
    if case.hard:
        hard = (rng.random(days) < case.hard)[:, None]
        challenger = np.where(hard, challenger, logit + 0.25 * rng.standard_normal(shape))
        delay = np.where(hard & (rng.random(shape) < HARD_LOSES), np.nan, delay)
    return Stream(champion, challenger, label, hour, delay)


def _batches(rng: np.random.Generator, case: Case) -> Stream:
    """The same with causes and errors by batch; the rows of a day's batches come in any order."""
    days, many = case.past + case.days, case.rows // BATCH
    shape = (days, case.rows)
    of_day = np.broadcast_to(np.arange(case.rows) // BATCH, shape)
    day = np.arange(days)[:, None]

    def by_batch(sd: float) -> np.ndarray[Any, Any]:
        return sd * rng.standard_normal((days, many))[day, of_day]

    logit = -1.2 + 0.9 * rng.standard_normal(shape)
    label = rng.random(shape) < _sigmoid(logit + by_batch(CAUSES["batches"][0]))
    noise, shift = _worse(case.excess, case.by, case.kind, case.recalibrate)
    champion = logit + by_batch(BATCH_ERROR) + 0.25 * rng.standard_normal(shape)
    challenger = logit + by_batch(np.hypot(BATCH_ERROR, noise)) + 0.25 * rng.standard_normal(shape) + shift
    hour = rng.uniform(0, 24, shape)
    return Stream(champion, challenger, label, hour, np.full(shape, 0.05), of_day + many * day)


_FOUND: dict[tuple[float, str, str, str], tuple[float, float]] = {}


def _worse(excess: float, by: str, kind: str, recalibrate: str) -> tuple[float, float]:
    """Noise and shift of the challenger's logit that cost `excess`; by bisection on one large sample. With a repair, by
    its ranking, the cost is that of both models as repaired: it is what users would get."""
    if excess <= 0:
        return 0.0, 0.0
    if (excess, by, kind, recalibrate) not in _FOUND:
        rng, n = np.random.default_rng(7), 200_000
        logit, cause = -1.2 + 0.9 * rng.standard_normal(n), CAUSES[kind][0] * rng.standard_normal(n)
        label = (rng.random(n) < _sigmoid(logit + cause)).astype(float)
        one, other = rng.standard_normal(n), rng.standard_normal(n)
        repaired = by == "rank" and recalibrate != "never"
        own = np.hypot(0.25, BATCH_ERROR) if kind == "batches" else 0.25
        base = _cost(logit + own * one, label, repaired)
        low, high = 0.0, 4.0
        for _ in range(18):
            middle = (low + high) / 2
            p = logit + (np.hypot(own, middle) * other if by == "rank" else own * other + middle)
            low, high = (low, middle) if _cost(p, label, repaired) - base > excess else (middle, high)
        _FOUND[excess, by, kind, recalibrate] = (high, 0.0) if by == "rank" else (0.0, high)
    return _FOUND[excess, by, kind, recalibrate]


def _cost(logit: Any, label: Any, repaired: bool) -> float:
    p = _sigmoid(logit)
    if repaired:
        p = apply(p, *fit(p, label))
    return float(log_loss_rows(p, label).mean())


def run(case: Case, runs: int, seed: int, seconds: float = np.inf) -> dict[str, Any]:
    """`seconds`: no run begins later than that."""
    promoted, aborted, days, used, hours, needed, planned = 0, 0, [], [], [], [], []
    begun, done = time.perf_counter(), 0
    for number in range(runs):
        if time.perf_counter() - begun > seconds:
            break
        rng = np.random.default_rng([seed, number])
        kind = SingleRows if case.single_rows else World
        rules = loop(case.recalibrate, rollout=_rollout(case), label={"giveUpAfter": case.give_up})
        simulated = stream(rng, case)
        world = kind(rules, simulated, case.ticks, case.past)
        ended = world.live()
        done = number + 1
        promoted += ended["status"] == "promoted"
        decided = ended["reason"] == "Worse"
        aborted += ended["status"] == "aborted" and decided
        hours.append(ended.get("block_hours"))
        if ended["status"] == "promoted" or decided:
            took = np.datetime64(ended["ended_at"][:19]) - np.datetime64(ended["started_at"][:19])
            days.append(took / np.timedelta64(1, "D"))
            used.append(ended["evidence"]["metrics"][0]["n"])
        if ended["status"] == "promoted" and ended.get("single_rows"):
            proven = _needed(world)
            needed += [] if proven is None else [proven]
            planned.append(_planned(simulated, case))
    runs = done
    return {
        "case": case.name, "excess": case.excess, "outcomes": case.kind, "rows a day": case.rows, "by": case.by,
        "repair": case.recalibrate, "runs": runs, "promoted": promoted / runs, "aborted": aborted / runs,
        "median days": float(np.median(days)) if days else None,
        "median pairs": float(np.median(used)) if used else None,
        "median pairs to proof": float(np.median(needed)) if needed else None,
        "pairs of a z-test": float(np.median(planned)) if planned else None,
        "seconds a run": round((time.perf_counter() - begun) / max(runs, 1), 1),
        "MiB at most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "block hours": {str(h): hours.count(h) for h in sorted(set(hours))},
    }  # fmt: skip


def _needed(world: World) -> float | None:
    """Pairs after which "no worse" was proven, wherever the block ended in which they lay."""
    values, ends, before, variance = [], [], 0, None
    for block in sorted(world.state.documents(NAME, f"pairs/{world.rollout()['id']}"), key=lambda block: block["id"]):
        parts = block.get("parts") or {}
        own = parts.get("log_loss" + AT_LEVEL, parts.get("log_loss", ()))
        sizes = part_ends(variance, MARGIN, block["n"])
        if len(own) != len(sizes):
            return None  # closed in one look with the block before it
        values += own
        ends += [before + end for end in sizes]
        before, variance = ends[-1], block["variance"]
    path = np.array(non_inferiority(values, MARGIN, noisy=True).path)
    reached = np.flatnonzero(path >= 1 / ALPHA)
    return float(ends[reached[0]]) if len(reached) else None


def _planned(simulated: Stream, case: Case) -> float:
    """Pairs of a one-sided z-test at ALPHA that is planned for POWER and looks once, knowing the variance of a pair."""
    days = slice(case.past, case.past + max(20_000 // case.rows, 1))
    label, models = simulated.label[days], (simulated.challenger[days], simulated.champion[days])
    mine, other = (log_loss_rows(_sigmoid(logit), label) for logit in models)
    return float(np.var(mine - other) * ((norm.ppf(1 - ALPHA) + norm.ppf(POWER)) / MARGIN) ** 2)


class SingleRows(World):
    def _begin(self) -> None:
        super()._begin()
        decreed = {**self.rollout(), "block_hours": 1, "single_rows": True}
        self.state.put(NAME, "rollout", decreed["id"], decreed)


def _rollout(case: Case) -> dict[str, Any]:
    metrics = [{"metric": "log_loss", "margin": MARGIN}]
    return {"judge": {"metrics": metrics, "block": case.block}}


KINDS = ("rows", "days", "spells")
_BATCHES: dict[str, Any] = {"kind": "batches", "rows": 400, "recalibrate": "never", "past": 10}
# A large past says no more than a small one: nine days are enough to know the length of a block.
_LARGE: dict[str, Any] = {"ticks": HOURLY, "past": 9, "give_up": "1d"}
VOLUMES: dict[int, dict[str, Any]] = {
    100: {"ticks": HOURLY[5::6]},
    1000: {"ticks": HOURLY},
    10_000: {**_LARGE, "days": 15},
    100_000: {**_LARGE, "days": 4},
    1_000_000: {**_LARGE, "days": 2},
}
CASES = (
    *(Case("equal", 0.0, kind) for kind in KINDS),
    *(Case("at the margin, ranks worse", MARGIN, kind) for kind in KINDS),
    *(Case("at the margin, ranks worse, no repair", MARGIN, kind, recalibrate="never") for kind in KINDS),
    *(Case("at the margin, level wrong", MARGIN, kind, by="level") for kind in KINDS),
    *(Case("at the margin, level wrong, no repair", MARGIN, kind, by="level", recalibrate="never") for kind in KINDS),
    *(Case("three margins worse", 3 * MARGIN, kind) for kind in KINDS),
    Case("positives come 3 days later, 3 margins worse", 3 * MARGIN, by="level", slow=(0.1, 3.0)),
    Case("positives come 3 days later, equal", 0.0, slow=(0.1, 3.0)),
    *(Case("at the margin, on hard days", MARGIN, kind, hard=0.2) for kind in KINDS),
    *(Case("three margins worse, on hard days", 3 * MARGIN, kind, hard=0.2) for kind in KINDS),
    *(Case(f"equal, {rows:,} a day", 0.0, "rows", rows, **volume) for rows, volume in VOLUMES.items()),
    *(Case(f"at the margin, {rows:,} a day", MARGIN, "rows", rows, **volume) for rows, volume in VOLUMES.items()),
    Case("1 h by decree, at the margin", MARGIN, "spells", 1000, block="1h"),
    Case("batches, equal", 0.0, block={"column": "batch"}, **_BATCHES),
    Case("batches, three margins worse", 3 * MARGIN, block={"column": "batch"}, **_BATCHES),
    Case("batches, at the margin", MARGIN, block={"column": "batch"}, **_BATCHES),
    Case("batches, at the margin, 1 h by decree", MARGIN, block="1h", **_BATCHES),
    Case("batches, at the margin, single rows by decree", MARGIN, block="1h", single_rows=True, **_BATCHES),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=np.inf, help="of a case, after which no run begins")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    begun = time.perf_counter()
    for case in CASES:
        if options.only in case.name:
            print(json.dumps(run(case, options.runs, options.seed, options.seconds)), flush=True)
    print(f"# {time.perf_counter() - begun:.0f} s")


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


if __name__ == "__main__":
    main()
