"""How often the label-free guards of a canary are wrong: rows of a prediction log, counted and judged as the loop does.

    python bench/operation_simulation.py [--runs 60] [--seed 1] [--only KEYS]

A week of blocks with traffic; `share` of the keys go to the challenger. "new": each request has a key of its own.
"returning": 1,000 customers come back in every block, and failures belong to customers: each fails always or never.
"batches": the same as new, but the requests of an arm come in batches that fail as a whole.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from tidemill.decisions.judge import evidence, harm_threshold, split_evidence, split_threshold
from tidemill.decisions.operation import OperationalBlock, failing
from tidemill.loop.counting import Keys, counted_block
from tidemill.loop.documents.rollout import RolloutDocument, RolloutStep
from tidemill.spec.model_loop import Judge, JudgeMetric

START = datetime(2024, 1, 1, tzinfo=UTC)
JUDGE = Judge(metrics=(JudgeMetric(metric="log_loss", margin=0.02), JudgeMetric(metric="error_rate", margin=0.01)))
BLOCKS, ROWS, CUSTOMERS, BATCH = 84, 200, 1000, 25


def blocks(rng: np.random.Generator, kind: str, rates: tuple[float, float], share: float) -> list[OperationalBlock]:
    step = RolloutStep(index=0, started_at=START, canary=share)
    rollout = RolloutDocument(id="r", challenger="2", champion="1", turn="r", status="running", reason="", message="",
                              started_at=START, steps=(step,))  # fmt: skip
    keys = Keys(START)
    drawn = rng.random(CUSTOMERS) < share
    bad = rng.random(CUSTOMERS) < np.where(drawn, rates[1], rates[0])
    found = []
    for number in range(BLOCKS):
        if kind == "returning":
            who = rng.choice(CUSTOMERS, ROWS, replace=False)
            canary, failed, names = drawn[who], bad[who], [f"c{n}" for n in who]
            requests = [f"{number}-{n}" for n in range(ROWS)]
        else:
            canary = rng.random(ROWS) < share
            failed = rng.random(ROWS) < np.where(canary, rates[1], rates[0])
            names = requests = [f"{number}-{n}" for n in range(ROWS)]
            if kind == "batches":
                whole = rng.random((2, ROWS // BATCH + 1)) < np.array(rates)[:, None]
                batch = np.arange(ROWS) // BATCH
                failed = whole[canary.astype(int), batch]
                requests = [f"{number}-{arm}-{n}" for arm, n in zip(canary, batch, strict=True)]
        rows = pd.DataFrame({
            "request_id": requests, "key": names, "version": np.where(canary, "2", "1"),
            "role": np.where(canary, "canary", "champion"), "weight": np.where(canary, share, 1 - share),
            "failed": failed, "slow": False, "score": 0.5,
        })  # fmt: skip
        at = START + number * timedelta(minutes=5)
        found.append(counted_block(rollout, step, at.isoformat(), rows, keys))
    return found


def run(kind: str, rates: tuple[float, float], share: float, runs: int, seed: int) -> dict[str, Any]:
    ended = {"promoted": 0, "aborted": 0, "tripped": 0, "split": 0}
    for number in range(runs):
        found = blocks(np.random.default_rng([seed, number]), kind, rates, share)
        _, errors = evidence(JUDGE, (), found)
        harmful = errors.e_harm >= harm_threshold(JUDGE)
        ended["aborted"] += harmful
        ended["promoted"] += errors.non_inferior(JUDGE.alpha) and not harmful
        ended["tripped"] += failing(found) is not None
        ended["split"] += split_evidence(found).running_max >= split_threshold(JUDGE)
    shares = {name: count / runs for name, count in ended.items()}
    return {"keys": kind, "champion": rates[0], "challenger": rates[1], "share": share, "runs": runs, **shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="keys whose name holds this")
    options = parser.parse_args()
    begun = time.perf_counter()
    for kind in (kind for kind in ("new", "returning", "batches") if options.only in kind):
        for rates in ((0.01, 0.01), (0.002, 0.012), (0.002, 0.05), (0.0, 1.0)):
            for share in (0.1, 0.5):
                print(json.dumps(run(kind, rates, share, options.runs, options.seed)), flush=True)
    print(f"# {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
