"""What a local turn costs besides the user's own training: every step of the compiled pipeline through kfp.local.

Runs the project that `tidemill init` makes: its first turn, which pays every import, and a second one, as a daemon
runs it. Prints JSON: seconds from submission to result, and when each step's record was written.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tidemill.adapters.system_clock import SystemClock
from tidemill.cli.init import write_project
from tidemill.cli.project import open_project
from tidemill.cli.wiring import open_context, open_gateway
from tidemill.loop.requests import ask
from tidemill.loop.tick import tick

STEPS = ("ingest", "validate", "features", "train", "evaluate", "refit", "register")


def turn(context, now) -> dict[str, float]:
    """Seconds of one turn by step, from its submission on."""
    report = tick(context, now)
    assert report.turn is not None, [event.message for event in report.waiting]
    work = context.home / "turns" / report.turn
    began = (work / "request.json").stat().st_mtime
    context.ports.pipelines.wait(report.turn, 600)
    ended = time.time()
    done = {step: (work / "steps" / f"{step}.json") for step in STEPS}
    times = {step: path.stat().st_mtime - began for step, path in done.items() if path.exists()}
    before = [0.0, *list(times.values())[:-1]]
    tick(context, now)
    return {
        **{step: round(at - last, 2) for (step, at), last in zip(times.items(), before, strict=True)},
        "total": round(ended - began, 2),
    }


def training_seconds(context) -> float:
    """What the user's own functions take on this data: the twin, the refit and both baselines."""
    import pandas as pd
    from tidemill.loop.turn.user_code import load

    sys.path.insert(0, str(context.project))
    spec = context.spec
    frames = [context.ports.source.read(partition) for partition in context.ports.source.partitions()]
    frame = pd.concat(frames)
    y = frame[spec.data.label.column]
    X = load(context.project, spec.model.features)(frame.drop(columns=[spec.data.key, spec.data.label.column]))
    began = time.perf_counter()
    for entry in (spec.model.trainer, spec.model.baseline):
        for _ in range(2):
            load(context.project, entry)(X, y, previous=None)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project_folder = Path(folder) / "bench"
        write_project(project_folder, "bench", (datetime.now(UTC) - timedelta(days=1)).date())
        project = open_project(project_folder)
        gateway = open_gateway(project, SystemClock(), port=0)
        context = open_context(project, gateway)
        first = turn(context, datetime.now(UTC))
        now = datetime.now(UTC)
        ask(context.state, context.name, "train", "bench", "", now)
        second = turn(context, now)
        own = training_seconds(context)
    print(
        json.dumps(
            {
                "first_turn_seconds": first,
                "next_turn_seconds": second,
                "user_training_seconds": round(own, 2),
                "overhead_first": round(first["total"] - own, 2),
                "overhead_next": round(second["total"] - own, 2),
                "goal": 10.0,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
