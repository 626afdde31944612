"""How often the rollout judge and the repair are wrong, and how long they take, under continuous looking.

    python bench/judge_simulation.py [--runs 250] [--seed 1]

Losses are real log losses of simulated predictions on simulated outcomes, scored row by row and averaged by day. A day
has a cause of its own that moves every outcome of it ("days"), and that may last for several days ("spells"); "rows"
has neither. The challenger predicts as the champion does, with a shift of the logit that makes its expected loss
exceed the champion's by the figure in the first column.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tidemill.decisions.repair import RepairAction, RepairBlock, repair
from tidemill.stats.eprocess import harm, non_inferiority
from tidemill.stats.two_arm import RateBlock, rate_harm, rate_non_inferiority

MARGIN, ALPHA, DAYS, ROWS = 0.02, 0.05, 28, 250
HARM_AT = 2 / (0.9 * ALPHA)  # two metrics, as in decisions/judge.py
DAY_SD = {"rows": 0.0, "days": 0.5, "spells": 0.5}
PERSISTENCE = {"rows": 0.0, "days": 0.0, "spells": 0.6}


@dataclass(frozen=True)
class Tally:
    """Shares of runs, and the median day of the verdict among runs that had it (0: none had)."""

    promoted: float
    aborted: float
    day: float
    spread: float  # standard deviation of a day's difference


def differences(rng: np.random.Generator, runs: int, shift: float, kind: str, days: int = DAYS) -> np.ndarray:
    """Shape (runs, days): each day's mean log loss of the challenger minus the champion's."""
    cause = _causes(rng, runs, days, kind)
    logit = -1.2 + 0.9 * rng.standard_normal((runs, days, ROWS), dtype=np.float32)
    label = rng.random((runs, days, ROWS), dtype=np.float32) < _sigmoid(logit + cause[:, :, None])
    champion = _loss(logit + 0.25 * rng.standard_normal(logit.shape, dtype=np.float32), label)
    challenger = _loss(logit + shift + 0.25 * rng.standard_normal(logit.shape, dtype=np.float32), label)
    return np.asarray((challenger - champion).mean(axis=2), dtype=float)


def shift_for(excess: float, kind: str, seed: int = 7) -> float:
    """The logit shift upwards that costs `excess` in expected log loss; by bisection on one large sample."""
    if excess == 0 and kind == "rows":
        return 0.0
    low, high = (0.0, 3.0) if kind == "rows" else (_cheapest(kind, seed), 3.0)
    for _ in range(18):
        middle = (low + high) / 2
        mean = differences(np.random.default_rng(seed), 40, middle, kind).mean()
        low, high = (low, middle) if mean > excess else (middle, high)
    return (low + high) / 2


def _cheapest(kind: str, seed: int) -> float:
    grid = np.linspace(0, 0.3, 7)
    return float(grid[np.argmin([differences(np.random.default_rng(seed), 40, s, kind).mean() for s in grid])])


def paired(rng: np.random.Generator, runs: int, excess: float, kind: str) -> Tally:
    """The judge looks after every day; promotion wants the plain mean within the margin too."""
    series = differences(rng, runs, shift_for(excess, kind), kind)
    promoted, aborted, verdicts = 0, 0, []
    for row in series:
        mean = np.cumsum(row) / np.arange(1, len(row) + 1)
        reached = np.maximum.accumulate(non_inferiority(row, MARGIN).path) >= 1 / ALPHA
        good = _first(reached & (mean <= MARGIN))
        bad = _first(np.array(harm(row, MARGIN).path) >= HARM_AT)
        promoted += good < bad
        aborted += bad <= good and bad <= DAYS
        verdicts.append(min(good, bad))
    decided = [day for day in verdicts if day <= DAYS]
    return Tally(promoted / runs, aborted / runs, float(np.median(decided)) if decided else 0.0, float(series.std()))


def false_abort_ever(rng: np.random.Generator, runs: int, kind: str) -> float:
    """An equally good challenger that is never promoted and looked at for 56 days."""
    series = differences(rng, runs, shift_for(0.0, "rows"), kind, days=56)
    return float(np.mean([harm(row, MARGIN).running_max >= HARM_AT for row in series]))


def arms(
    rng: np.random.Generator, runs: int, champion: float, challenger: float, share: float, margin: float = 0.01
) -> Tally:
    """Canary arms of 1,000 requests a day; both rates rise together on one day in ten (a common cause)."""
    promoted, aborted, verdicts = 0, 0, []
    n_b = round(1000 * share)
    for _ in range(runs):
        outage = np.where(rng.random(DAYS) < 0.1, 0.05, 0.0)
        k_a = rng.binomial(1000 - n_b, np.minimum(champion + outage, 1))
        k_b = rng.binomial(n_b, np.minimum(challenger + outage, 1))
        blocks = [RateBlock(1000 - n_b, int(a), n_b, int(b)) for a, b in zip(k_a, k_b, strict=True)]
        good = _first(np.array(rate_non_inferiority(blocks, margin).path) >= 1 / ALPHA)
        bad = _first(np.array(rate_harm(blocks, margin).path) >= HARM_AT)
        promoted += good < bad
        aborted += bad <= good and bad <= DAYS
        verdicts.append(min(good, bad))
    decided = [day for day in verdicts if day <= DAYS]
    return Tally(promoted / runs, aborted / runs, float(np.median(decided)) if decided else 0.0, 0.0)


def repairs(rng: np.random.Generator, runs: int, gain: float, persistence: float, days: int = 60) -> Tally:
    """`promoted`: ever served; `aborted`: ever withdrawn; `day`: median first day of serving; `spread`: mean daily gain
    over the uncorrected model, after paying for mistakes."""
    served, withdrawn, first, earned = 0, 0, [], 0.0
    for _ in range(runs):
        noise = 0.015 * _persistent(rng, (days,), persistence)
        blocks = [RepairBlock(str(i), 900, float(gain + value)) for i, value in enumerate(noise)]
        states = list(_serving(blocks))
        served += any(states)
        withdrawn += any(a and not b for a, b in itertools.pairwise(states))
        first += [states.index(True) + 1] if any(states) else []
        earned += sum(block.gain for block, on in zip(blocks[1:], states, strict=False) if on) / days
    return Tally(served / runs, withdrawn / runs, float(np.median(first)) if first else 0.0, earned / runs)


def _serving(blocks: list[RepairBlock]) -> Iterator[bool]:
    serving = False
    for end in range(1, len(blocks) + 1):
        serving = repair(blocks[:end], serving).action is RepairAction.SERVE
        yield serving


def _causes(rng: np.random.Generator, runs: int, days: int, kind: str) -> np.ndarray:
    return np.asarray(DAY_SD[kind] * _persistent(rng, (runs, days), PERSISTENCE[kind]), dtype=np.float32)


def _persistent(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    """Standard normal; each day keeps `keep` of the day before."""
    noise = rng.standard_normal(shape)
    for day in range(1, shape[-1]):
        noise[..., day] = keep * noise[..., day - 1] + np.sqrt(1 - keep**2) * noise[..., day]
    return noise


def _first(reached: np.ndarray) -> int:
    """The day (from 1) on which it first held; beyond every day where it never did."""
    return int(np.argmax(reached)) + 1 if reached.any() else 10**6


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _loss(logit: np.ndarray, label: np.ndarray) -> np.ndarray:
    p = np.clip(_sigmoid(logit), 0.01, 0.99)
    return np.where(label, -np.log(p), -np.log1p(-p))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, runs, begun = np.random.default_rng(options.seed), options.runs, time.perf_counter()

    print(f"Rollout judge, paired losses: margin {MARGIN}, alpha {ALPHA}, looked at daily for {DAYS} days, {runs} runs")
    print(f"{'true difference':>16} {'outcomes':>8} {'day sd':>7} {'promoted':>9} {'aborted':>8} {'median day':>10}")
    for excess in (0.0, MARGIN, 2 * MARGIN, 0.05, 0.15):
        for kind in DAY_SD:
            t = paired(rng, runs, excess, kind)
            print(f"{excess:>16} {kind:>8} {t.spread:>7.4f} {t.promoted:>9.1%} {t.aborted:>8.1%} {t.day:>10.0f}")
    for kind in DAY_SD:
        share = false_abort_ever(rng, runs, kind)
        print(f"equally good, never promoted, 56 looks, {kind}: aborted {share:.1%}")

    print("\nRollout judge, canary arms, error rate: margin 0.01, 1,000 requests a day")
    print(f"{'champion':>9} {'canary':>7} {'share':>6} {'promoted':>9} {'aborted':>8} {'median day':>10}")
    for champion, challenger in ((0.0, 0.0), (0.002, 0.002), (0.002, 0.012), (0.002, 0.022), (0.002, 0.05), (0.0, 1.0)):
        for share in (0.1, 0.5):
            t = arms(rng, runs, champion, challenger, share)
            print(f"{champion:>9} {challenger:>7} {share:>6.0%} {t.promoted:>9.1%} {t.aborted:>8.1%} {t.day:>10.0f}")

    runs = max(runs // 8, 20)
    print(f"\nRepair: day sd 0.015, 60 days, {runs} runs")
    print(f"{'true gain':>9} {'days':>12} {'ever served':>12} {'withdrawn':>10} {'median day':>10} {'net a day':>10}")
    for gain in (0.015, 0.01, 0.005, 0.0, -0.004, -0.01):
        for name, keep in (("independent", 0.0), ("spells", 0.5)):
            t = repairs(rng, runs, gain, keep)
            print(f"{gain:>9} {name:>12} {t.promoted:>12.1%} {t.aborted:>10.1%} {t.day:>10.0f} {t.spread:>+10.4f}")
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
