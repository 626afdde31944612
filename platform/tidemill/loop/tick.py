"""One tick: observe, decide, act. The only place where things happen.

The steps run in a fixed order; each gathers its facts through ports, asks a pure decision, and carries its verdict out
under a deterministic id. What one step changed, the next one sees. A tick that is killed anywhere is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from .admission import admit_arrivals
from .blocks import close_blocks
from .context import Context, Event
from .harvest import harvest_turn
from .ids import digest_of
from .model import TurnStatus
from .repairs import recalibrate
from .requests import handle_requests
from .rollouts import advance_rollout
from .routing import reconcile_route
from .signals import raise_signals
from .turns import running_turn, start_turn

STEPS: tuple[Callable[[Context, datetime], None], ...] = (
    handle_requests,  # what people asked for goes first
    admit_arrivals,  # only admitted data counts as arrived
    harvest_turn,  # a finished turn becomes a champion, a rollout or a reason
    close_blocks,  # days whose labels had time to arrive become evidence
    recalibrate,  # the smallest repair, before anything larger
    advance_rollout,  # the judge looks at the evidence
    raise_signals,  # is there a reason to train?
    start_turn,  # and may it start now?
    reconcile_route,  # the data plane and the aliases follow
)


@dataclass(frozen=True)
class TickReport:
    """What happened, and what waits and why. `turn` is the id of the turn that runs, if any."""

    at: datetime
    events: tuple[Event, ...]
    waiting: tuple[Event, ...]
    turn: str | None


def tick(context: Context, now: datetime) -> TickReport:
    """Brings one loop as far as it goes at `now`. The caller holds the loop's lease. Raises what refused a turn, after
    all else was done: a quota that is full must not keep the route from being repaired."""
    context.events, context.waiting, context.refused = [], [], None
    _remember(context, now)
    for step in STEPS:
        step(context, now)
    _leave_word(context)
    if context.refused is not None:
        raise context.refused
    running = running_turn(context)
    return TickReport(now, tuple(context.events), tuple(context.waiting), None if running is None else running["id"])


def _remember(context: Context, now: datetime) -> None:
    """When the loop began (a schedule counts from then) and which spec it follows."""
    spec = context.loop.model_dump(by_alias=True, mode="json")
    before = context.state.get(context.name, "loop", "self")
    if before is None or before["spec"] != spec or before.get("deleted_at"):
        since = now.isoformat() if before is None else before["since"]
        document = {"since": since, "spec": spec, "digest": digest_of(spec)}
        context.state.put(context.name, "loop", "self", document)


def _leave_word(context: Context) -> None:
    """What waits, for whoever asks between two ticks. Written where it changed: most ticks leave what was."""
    waiting = [{"event": e.event, "reason": str(e.reason), "message": e.message} for e in context.waiting]
    if context.state.get(context.name, "tick", "waiting") != {"waiting": waiting}:
        context.state.put(context.name, "tick", "waiting", {"waiting": waiting})


def settle(
    context: Context, now: datetime, finished: Callable[[str, TurnStatus], None] | None = None
) -> list[TickReport]:
    """Ticks until no turn runs: for `run --once` and for a simulated clock, which stands still while a turn runs.

    `finished` is told of each run that ended, before the tick that harvests it.
    """
    reports = [tick(context, now)]
    while (turn := reports[-1].turn) is not None:
        status = context.ports.pipelines.wait(turn, context.spec.model.timeout.total_seconds() + 60)
        if finished is not None:
            finished(turn, status)
        reports.append(tick(context, now))
    return reports
