"""How often the performance signal cries wolf, closed-loop, and how long it takes to see a real loss.

    python bench/performance_alarms.py [--runs 60] [--seed 1]

A year of daily excesses (loss - entropy) of champions that are all equally good, with days that hang together:
x_t = phi x_(t-1) + noise; "with noise" adds independent noise of the same size, "heavy" has a t distribution with 4
degrees of freedom, "skewed" is lognormal, "weekday" has a weekly pattern. Each champion's promise is the mean of seven
days of hold-out that end ten days before it serves. A new champion comes 17 days after an alarm, and every 60 days
anyway; so each alarm, and each unlucky promise, leads to the next estimate. Declared is one false alarm a year.
"known" is the rule that takes the promise for known and days for independent; the others are decisions/performance.py.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from tidemill.decisions.performance import LEAST_WINSOR, WINSOR, PerformanceBlock, performance
from tidemill.stats.daily import Noise
from tidemill.stats.edetector import detect

YEAR, HOLD_OUT, ROLLOUT, REIGN = 365, 7, 10, 60
TOLERANCE, DECLARED = 0.01, 1 / 365.25
HISTORY = 90  # days before, of earlier champions where there were any


@dataclass(frozen=True)
class World:
    shape: str
    phi: float
    sd: float

    def excesses(self, rng: np.random.Generator, days: int) -> np.ndarray:
        z = rng.standard_normal(days)
        for day in range(1, days):
            z[day] = self.phi * z[day - 1] + np.sqrt(1 - self.phi**2) * z[day]
        if self.shape == "with noise":
            z = np.sqrt(0.5) * (z + rng.standard_normal(days))
        elif self.shape == "heavy":
            z = z * np.sqrt(2 / rng.chisquare(4, days))
        elif self.shape == "skewed":
            z = (np.exp(0.8 * z) - np.exp(0.32)) / np.sqrt((np.exp(0.64) - 1) * np.exp(0.64))
        elif self.shape == "weekday":
            pattern = np.sqrt(2) * np.cos(2 * np.pi * (np.arange(days) % 7) / 7 + rng.uniform(0, 2 * np.pi))
            z = np.sqrt(0.6) * z + np.sqrt(0.4) * pattern
        return self.sd * z


def alarms(x: np.ndarray, since: int, known: bool, history: int) -> list[int]:
    """Days, counted in `x`, on which the champion that serves from `since` on is doubted."""
    held_out = x[since - ROLLOUT - HOLD_OUT : since - ROLLOUT]
    promise, error = float(held_out.mean()), float(held_out.std(ddof=1) / np.sqrt(HOLD_OUT))
    if known:
        scale = max(WINSOR * TOLERANCE, LEAST_WINSOR)
        values = np.clip((x[since:] - promise - TOLERANCE) / scale, -1, 1)
        return [since + alarm for alarm in detect(values, DECLARED).alarms]
    days = [PerformanceBlock(str(day), 900, float(value), 0.0) for day, value in enumerate(x)]
    own = [PerformanceBlock(day.partition, day.n, day.loss, promise) for day in days[since:]]
    found = performance(own, TOLERANCE, DECLARED, Noise(error, HOLD_OUT), days[since - history : since])
    return [int(signal.evidence["until"]) for signal in found]


def false_alarms(rng: np.random.Generator, world: World, known: bool, history: int) -> int:
    """In a year."""
    x = world.excesses(rng, HISTORY + YEAR)
    since, count = HISTORY, 0
    while since < len(x):
        found = alarms(x, since, known, history + since - HISTORY)
        until = since + REIGN
        if found and found[0] < until:
            until = min(until, found[0] + ROLLOUT + HOLD_OUT)
            count += sum(alarm < until for alarm in found)
        since = until
    return count


def delay(rng: np.random.Generator, world: World, loss: float, known: bool, served: int) -> float:
    """Days until a lasting loss is seen that begins `served` days after promotion; infinite: not within 180 days. Runs
    with a false alarm before do not count (NaN)."""
    x = world.excesses(rng, HISTORY + served + 180)
    x[HISTORY + served :] += loss
    found = alarms(x, HISTORY, known, 0)
    if found and found[0] < HISTORY + served:
        return float("nan")
    return float(found[0] - HISTORY - served + 1) if found else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, begun = np.random.default_rng(options.seed), time.perf_counter()
    worlds = [World("plain", phi, sd) for phi in (0.0, 0.5, 0.8) for sd in (0.015, 0.03, 0.06, 0.12)]
    worlds += [World(shape, 0.8, sd) for shape in ("with noise", "heavy", "skewed", "weekday") for sd in (0.03, 0.06)]
    rules = (("known", True, 0), ("new loop", False, 0), ("90 days before", False, HISTORY))

    print(f"False alarms a year, declared 1, closed-loop, tolerance {TOLERANCE}, {options.runs} years each")
    print(f"{'days':>12} {'phi':>4} {'sd':>6}" + "".join(f"{name:>16}" for name, _, _ in rules))
    for world in worlds:
        cells = [np.mean([false_alarms(rng, world, k, h) for _ in range(options.runs)]) for _, k, h in rules]
        print(f"{world.shape:>12} {world.phi:>4} {world.sd:>6}" + "".join(f"{cell:>16.2f}" for cell in cells))

    print("\nA lasting loss from day 60 of a reign: median days until it is seen, and share seen within 180 days")
    print(f"{'loss':>5} {'phi':>4} {'sd':>6}" + "".join(f"{name:>16}" for name in ("known", "as it is")))
    for loss in (0.03, 0.05, 0.1):
        for world in worlds[:12]:
            told = []
            for known in (True, False):
                days = np.array([delay(rng, world, loss, known, 60) for _ in range(options.runs)])
                days = days[~np.isnan(days)]
                told.append(f"{np.median(days):.0f} ({np.mean(np.isfinite(days)):.0%})" if len(days) else "-")
            print(f"{loss:>5} {world.phi:>4} {world.sd:>6}" + "".join(f"{cell:>16}" for cell in told))
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
