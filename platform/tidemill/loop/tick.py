"""One tick: observe, decide, act. The only place where things happen.

The steps run in a fixed order; each gathers its facts through ports, asks a pure decision, and carries its verdict out
under a deterministic id. What one step changed, the next one sees. A tick that is killed anywhere is simply run again.

What people asked for and the route come first, and each step stands alone: one that fails is told, tried again later,
and keeps none of the others from acting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from .admission import admit_arrivals
from .aliases import follow_aliases
from .blocks import close_days
from .context import Context, Event
from .documents.base import NewerDocument
from .documents.loop import LoopDocument
from .documents.store import read_one
from .documents.tick import Waiting, Waits
from .errors import LeaseHeld
from .failures import Failure, Failures
from .harvest import harvest_turn
from .ids import digest_of
from .model import TurnStatus
from .repairs import recalibrate
from .requests import handle_requests
from .rollouts import advance_rollout, close_evidence
from .routing import reconcile_route
from .signals import raise_signals
from .turns import running_turn, start_turn

Step = Callable[[Context, datetime], None]

FIRST: tuple[Step, ...] = (
    handle_requests,  # what people asked for goes first
    reconcile_route,  # and reaches the data plane, whatever fails after it
)
STEPS: tuple[Step, ...] = (
    admit_arrivals,  # only admitted data counts as arrived
    harvest_turn,  # a finished turn becomes a champion, a rollout or a reason
    close_days,  # days whose labels are in become evidence
    recalibrate,  # the smallest repair, before anything larger
    close_evidence,  # blocks of the rollout: of minutes, and of outcomes
    advance_rollout,  # the judge looks at the evidence
    raise_signals,  # is there a reason to train?
    start_turn,  # and may it start now?
)
LAST: tuple[Step, ...] = (
    reconcile_route,  # the data plane follows what the steps changed
    follow_aliases,  # and so does the registry
)


@dataclass(frozen=True)
class TickReport:
    """What happened, what waits and why, and which steps failed. `turn` is the id of the turn that runs, if any."""

    at: datetime
    events: tuple[Event, ...]
    waiting: tuple[Event, ...]
    turn: str | None
    failures: tuple[Failure, ...] = ()


def tick(context: Context, now: datetime) -> TickReport:
    """Brings one loop as far as it goes at `now`. The caller holds the loop's lease. Raises LeaseHeld where it lost it,
    NewerDocument for a store of a later release, and what the state store itself raises."""
    context.events, context.waiting, context.refused = [], [], None
    _remember(context, now)
    failures = Failures(context, now)
    for step in FIRST:
        _attempt(step, context, now, failures, patient=False)
    context.waiting = [event for event in context.waiting if event.event == "partition.quarantined"]
    for step in STEPS:
        _attempt(step, context, now, failures, patient=True)
    if context.refused is not None:
        failures.add("start_turn", context.refused)
    for step in LAST:
        _attempt(step, context, now, failures, patient=False)
    _leave_word(context)
    running = running_turn(context)
    turn = None if running is None else running.id
    context.forget()
    return TickReport(now, tuple(context.events), tuple(context.waiting), turn, failures.kept())


def _attempt(step: Step, context: Context, now: datetime, failures: Failures, patient: bool) -> None:
    """`patient`: after a failure the step is left alone for a while. What is urgent is not."""
    name = step.__name__
    if patient and failures.rests(name):
        return
    try:
        step(context, now)
    except (LeaseHeld, NewerDocument):
        raise
    except Exception as error:
        failures.add(name, error)
    else:
        failures.clear(name)


def _remember(context: Context, now: datetime) -> None:
    """When the loop began (a schedule counts from then) and which spec it follows."""
    spec = context.loop.model_dump(by_alias=True, mode="json")
    before = read_one(context.state, context.name, LoopDocument, LoopDocument.id)
    if before is None or before.spec != spec or before.deleted_at is not None:
        document = LoopDocument(since=now if before is None else before.since, spec=spec, digest=digest_of(spec))
        context.state.put(context.name, document.kind, document.id, document.stored())


def _leave_word(context: Context) -> None:
    """What waits, for whoever asks between two ticks. Written where it changed: most ticks leave what was."""
    waits = (Waits(event=e.event, reason=str(e.reason), message=e.message) for e in context.waiting)
    waiting = Waiting(waiting=tuple(waits))
    if read_one(context.state, context.name, Waiting, Waiting.id) != waiting:
        context.state.put(context.name, waiting.kind, waiting.id, waiting.stored())


def settle(
    context: Context, now: datetime, finished: Callable[[str, TurnStatus], None] | None = None
) -> list[TickReport]:
    """Ticks until no turn runs: for `run --once` and for a simulated clock, which stands still while a turn runs.

    `finished` is told of each run that ended, before the tick that harvests it. A turn that cannot be harvested now is
    left to a later tick.
    """
    reports = [tick(context, now)]
    while (turn := reports[-1].turn) is not None:
        status = context.ports.pipelines.wait(turn, context.spec.model.timeout.total_seconds() + 60)
        if finished is not None:
            finished(turn, status)
        reports.append(tick(context, now))
        if reports[-1].turn == turn and reports[-1].failures:
            break
    return reports
