"""One replay: the loop itself over real HTTP and real pipelines here, the policies it is compared with beside it."""

from __future__ import annotations

import json
import os
import platform as machine
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wiring import open_context, open_gateway
from .policies import NICE, POLICIES
from .results import loop_results, policy_results
from .sabotage import Saboteur, spoil_registered
from .world import deliver, load_world

if TYPE_CHECKING:
    from tidemill.loop.replay import Day

    from ..project import Project

Tell = Callable[[str], None]


def replay(
    project: Project, world: str, options: dict[str, Any], out: Path, compare: bool, tell: Tell
) -> dict[str, Any]:
    """Returns what results.json holds. An earlier run's state in `out` goes: a replay begins at the beginning."""
    began = time.monotonic()
    out = out.resolve()  # where turns and models are is kept as URIs, which have no relative form
    lived = load_world(project.folder, world, options)  # before an earlier run goes: it may not be there
    shutil.rmtree(out / "run", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    policies = POLICIES if compare else {}
    # One process each. They give way to the loop, which leaves them a core and more.
    with ProcessPoolExecutor(len(POLICIES), get_context("spawn")) as others:
        from .compared import run_policy

        futures = {
            name: others.submit(run_policy, project.path, name, world, options, out / "run", NICE[name])
            for name in policies
        }
        results = _the_loop(project, lived, options, out, tell)
        alone = time.monotonic() - began
        for name, future in futures.items():
            if not future.done():
                tell(f"            waiting for the policy it is compared with: {name}")
            results["policies"][name] = future.result()
    results["timings"] |= {"loop_seconds": round(alone, 1), "total_seconds": round(time.monotonic() - began, 1)}
    _write(out, results)
    return results


def _the_loop(project: Project, world: Any, options: dict[str, Any], out: Path, tell: Tell) -> dict[str, Any]:
    from tidemill.adapters.file_source import FileSource
    from tidemill.adapters.gateway_client import GatewayClient
    from tidemill.adapters.kept_validation import KeptValidation
    from tidemill.loop.replay import Replay, SetClock

    run = out / "run" / "tidemill"
    name, data = project.loop.metadata.name, project.loop.spec.data
    placed = replace(project, home=run / "home")
    clock = SetClock(datetime.combine(world.start, datetime.min.time(), UTC))
    spoilt: set[str] = set()
    gateway = open_gateway(placed, clock, port=0)
    context = open_context(placed, gateway, _teller(tell), FileSource(run, "data/", "parquet", data.key))
    context.ports = replace(
        context.ports, validator=KeptValidation(context.ports.validator, out / "run" / "validations")
    )
    gateway.start()
    try:
        client = GatewayClient(gateway.url, name, data.key, data.label.column, settled=gateway.drain)
        repack = spoil_registered(context.ports.registry, context.tracking_uri, name, tell)
        saboteur = Saboteur(world, repack, spoilt)
        replaying = Replay(context, world, clock, client, partial(deliver, run / "data"), saboteur)
        tell(f"{world.start}  history until {world.live_from} is delivered, then the first turn")
        replaying.bootstrap()
        days = _live(replaying, world, tell)
    finally:
        gateway.stop()
    faults = world.faults()
    own = policy_results(context.state, name, "tidemill", days, faults, spoilt)
    return {
        "loop": name,
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "period": {"start": world.live_from.isoformat(), "end": world.end.isoformat()},
        "policies": {"tidemill": own},
        **loop_results(context.state, name, world.live_from, world.end, faults, spoilt),
        "loop_file": project.path.read_text(),
        "timings": {},
        "environment": _environment({"seed": getattr(world, "seed", None), **options}),
    }


def _live(replaying: Any, world: Any, tell: Tell) -> list[Day]:
    days: list[Day] = []
    total = (world.end - world.live_from).days + 1
    began = time.monotonic()
    for day in replaying.days():
        days.append(day)
        if day.day.day == 1 or len(days) == total:
            loss = sum(d.loss * d.n for d in days if d.n) / max(1, sum(d.n for d in days))
            spent = timedelta(seconds=round(time.monotonic() - began))
            tell(f"{day.day}  {len(days)} of {total} days lived through in {spent}; log loss so far {loss:.4f}")
    return days


def _teller(tell: Tell) -> Callable[[str, datetime, str, str], None]:
    quiet = ("partition.admitted", "route.changed")  # daily; what changes a route is told by itself

    def told(_loop: str, at: datetime, event: str, message: str) -> None:
        if event not in quiet:
            tell(f"{at:%Y-%m-%d}  {event:<22} {message}")

    return told


def _environment(options: dict[str, Any]) -> dict[str, Any]:
    packages = ("tidemill", "kfp", "mlflow", "great-expectations", "scikit-learn", "pandas", "numpy")
    return {
        "python": machine.python_version(),
        "cores": os.cpu_count(),
        "options": options,
        "packages": {package: metadata.version(package) for package in packages},
    }


def _write(out: Path, results: dict[str, Any]) -> None:
    from ..report_page import render

    (out / "results.json").write_text(json.dumps(results, indent=1, default=str) + "\n")
    (out / "report.html").write_text(render(results))
