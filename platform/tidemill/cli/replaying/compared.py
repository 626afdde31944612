"""A policy that the loop is compared with, in a process of its own: the same tick on in-process adapters."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from .policies import under


def run_policy(
    path: Path, policy: str, world_name: str, options: dict[str, Any], run: Path, nice: int
) -> dict[str, Any]:
    """The policy's row of the table, with its daily losses. Everything but the state database stays in memory.

    `nice` is how far this process gives way to others."""
    from tidemill.adapters.file_source import FileSource
    from tidemill.adapters.great_expectations import GreatExpectationsValidator
    from tidemill.adapters.kept_validation import KeptValidation
    from tidemill.adapters.local.inline import InlinePipelines
    from tidemill.adapters.memory_registry import MemoryRegistry
    from tidemill.adapters.memory_stores import MemoryOutcomes, MemoryPredictionLog
    from tidemill.adapters.notifiers import NoNotifier
    from tidemill.adapters.sql.state import SqlState
    from tidemill.gateway.inline import InlineDataPlane
    from tidemill.loop.context import Context, Ports
    from tidemill.loop.replay import Replay, SetClock
    from tidemill.spec.loading import load_loop

    from .results import policy_results
    from .sabotage import spoil_in_memory
    from .world import deliver, load_world

    os.nice(nice)
    sys.path.insert(0, str(path.parent))
    world = load_world(path.parent, world_name, options)
    loop = under(load_loop(path), policy)
    home = run / policy
    clock = SetClock(datetime.combine(world.start, datetime.min.time(), UTC))
    log, outcomes, registry = MemoryPredictionLog(), MemoryOutcomes(), MemoryRegistry()
    plane = InlineDataPlane(loop.spec.data, log, outcomes, clock, registry.load)
    state = SqlState(f"sqlite:///{home}/state.db")
    ports = Ports(
        source=FileSource(home, "data/", "parquet", loop.spec.data.key),
        log=log,
        outcomes=outcomes,
        registry=registry,
        serving=plane,
        pipelines=InlinePipelines(registry),
        validator=KeptValidation(GreatExpectationsValidator(), run / "validations"),
        notifier=NoNotifier(),
        state=state,
    )
    context = Context(loop, path.parent, home, "memory:", ports)
    spoilt: set[str] = set()
    finished = spoil_in_memory(world, registry, loop.metadata.name, spoilt)
    replaying = Replay(context, world, clock, plane, partial(deliver, home / "data"), finished)
    replaying.bootstrap()
    parent, days = os.getppid(), []
    for day in replaying.days():
        days.append(day)
        if os.getppid() != parent:  # whoever asked is gone, and nobody will read the answer
            sys.exit(1)
    return policy_results(state, loop.metadata.name, policy, days, world.faults(), spoilt)
