"""How often a challenger is accepted on a hold-out of seven days, by its true gain and by `minGain`.

    python bench/acceptance.py [--runs 4000] [--seed 1]

Daily differences of the primary metric between champion and challenger are normal with the true gain as their mean;
their noise is estimated from the seven days, as evaluation does. "slices": 20 slices, each exactly `sliceTolerance`
worse, on an overall gain that is beyond doubt. "normal" is the rule with the quantile of the normal distribution, which
takes the estimated noise for known, and gives the benefit of it to every `minGain`.
"""

from __future__ import annotations

import argparse
import time
from statistics import NormalDist

import numpy as np
from tidemill.decisions.accept import SLICE_ALPHA, AcceptAction, EvaluationFacts, SliceScore, accept
from tidemill.spec.model_loop import Accept
from tidemill.stats.daily import Noise, daily_noise

DAYS, SLICES = 7, 20
Z = NormalDist().inv_cdf


def week(rng: np.random.Generator, mean: float, sd: float) -> tuple[float, Noise]:
    daily = rng.normal(mean, sd, DAYS)
    return float(daily.mean()), daily_noise(daily, np.arange(DAYS))


def facts(gain: float, noise: Noise, slices: list[tuple[float, Noise]] | None = None) -> EvaluationFacts:
    scores = {str(n): SliceScore(500, 0.5 + worse, 0.5, of) for n, (worse, of) in enumerate(slices or [])}
    return EvaluationFacts(
        rows=5000, primary="log_loss", challenger={"log_loss": 0.5}, baseline={"log_loss": 0.6},
        champion={"log_loss": 0.5 + gain}, noise={"champion": noise}, slices={"slice": scores},
    )  # fmt: skip


def accepted(rng: np.random.Generator, runs: int, gain: float, sd: float, min_gain: float) -> tuple[float, float]:
    """Shares: as the normal rule has it, as it is."""
    normal = ours = 0
    for _ in range(runs):
        seen, noise = week(rng, gain, sd)
        normal += seen + Z(0.95) * noise.error >= min_gain
        ours += accept(facts(seen, noise), Accept(min_gain=min_gain)).action is AcceptAction.ACCEPT
    return normal / runs, ours / runs


def slices(rng: np.random.Generator, runs: int, sd: float) -> tuple[float, float]:
    """Shares of challengers that a slice rejects, all at the tolerance."""
    normal = ours = 0
    rule = Accept()
    for _ in range(runs):
        found = [week(rng, rule.slice_tolerance, sd) for _ in range(SLICES)]
        bound = Z(1 - SLICE_ALPHA / SLICES)
        normal += any(worse - bound * noise.error > rule.slice_tolerance for worse, noise in found)
        ours += accept(facts(0.1, Noise(0.001, DAYS), found), rule).action is not AcceptAction.ACCEPT
    return normal / runs, ours / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, begun = np.random.default_rng(options.seed), time.perf_counter()
    print(f"Accepted on {DAYS} days, {options.runs} hold-outs each")
    print(f"{'minGain':>8} {'true gain':>10} {'daily sd':>9} {'normal':>8} {'as it is':>9}")
    for min_gain, gains in ((0.0, (0.0, -0.01, -0.03)), (0.005, (0.0, 0.005, 0.01, 0.02)), (-0.01, (-0.01, -0.03))):
        for gain in gains:
            for sd in (0.01, 0.02):
                normal, ours = accepted(rng, options.runs, gain, sd, min_gain)
                print(f"{min_gain:>8} {gain:>10} {sd:>9} {normal:>8.1%} {ours:>9.1%}")
    normal, ours = slices(rng, options.runs // 8, 0.02)
    print(f"\nRejected by one of {SLICES} slices, all at the tolerance: normal {normal:.1%}, as it is {ours:.1%}")
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
