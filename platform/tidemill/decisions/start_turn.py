"""Is a turn started now? Signals say why to train; limits say how often it may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tidemill.spec.model_loop import Limits

from .signal import Signal
from .verdict import Reason, Verdict

MONTH = timedelta(days=30)
# The most telling reason names the turn: a person first, then what was seen to go wrong, then the calendar.
_WEIGHT = (Reason.MANUAL, Reason.PERFORMANCE, Reason.DRIFT, Reason.NEW_DATA, Reason.SCHEDULE)


class StartAction(StrEnum):
    START = "start"
    WAIT = "wait"


@dataclass(frozen=True)
class TurnFacts:
    """`signals` are those that are pending; `turns_started` the starts of all turns of at least the last
    30 days, or of longer; `new_outcomes` are labels that arrived since the last turn began; `empty_place` is where data
    is looked for while none ever arrived; `last_end` is how the last turn ended (failed: ...) where it made nothing;
    `edited` tells that spec or code are others than that turn's."""

    now: datetime
    signals: Sequence[Signal]
    champion_exists: bool
    turn_running: bool
    rollout_running: bool
    turns_started: Sequence[datetime]
    new_outcomes: int
    admitted_rows: int
    empty_place: str = ""
    last_end: str = ""
    edited: bool = False


Policy = Callable[[TurnFacts, Limits, int], Verdict[StartAction] | None]


def start(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction]:
    """Starts a turn, or says what it waits for. `min_rows` is what evaluation will ask for (accept.minRows).

    A Manual signal passes everything but a running turn or rollout, and no data at all: a person knows why. Without a
    champion, enough rows are a signal of their own (Bootstrap), which the limits hold back like any other, until spec
    or code are changed.
    """
    for policy in POLICIES:
        if (verdict := policy(facts, limits, min_rows)) is not None:
            return verdict
    reason = _reason(facts)
    names = [signal.id for signal in facts.signals]
    why = ", ".join(names) or "there is no champion yet"
    evidence = {"signals": names, "admitted_rows": facts.admitted_rows, "new_outcomes": facts.new_outcomes}
    return Verdict(StartAction.START, reason, f"A turn starts on {facts.admitted_rows} rows: {why}.", evidence)


def _turn_running(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction] | None:
    if not facts.turn_running:
        return None
    return _wait(Reason.TURN_RUNNING, "A turn is running; the next one can start when it has ended.")


def _rollout_running(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction] | None:
    if not facts.rollout_running:
        return None
    return _wait(Reason.ROLLOUT_RUNNING, "A challenger is being rolled out; the next turn can start when it is judged.")


def _nothing(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction] | None:
    if not _manual(facts) or facts.admitted_rows:
        return None
    message = f"{_pending(facts)} waits: no partition is admitted, so there is nothing to train on."
    return _wait(Reason.TOO_LITTLE_DATA, message, admitted_rows=0, needed=1)


def _too_little_data(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction] | None:
    if facts.champion_exists or _manual(facts) or facts.admitted_rows >= min_rows:
        return None
    so_far = f"{facts.admitted_rows} so far"
    if facts.empty_place:
        so_far += (
            f": nothing has arrived at {facts.empty_place}, where each file's name holds its day, as in 2026-03-01"
        )
    message = f"There is no champion yet; the first turn starts at {min_rows} admitted rows ({so_far})."
    return _wait(Reason.TOO_LITTLE_DATA, message, admitted_rows=facts.admitted_rows, needed=min_rows)


def _no_signal(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction] | None:
    if facts.signals or not facts.champion_exists:
        return None
    return _wait(Reason.NO_SIGNAL, "No signal is pending: there is no reason to train.")


def _cooldown(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction] | None:
    until = max(facts.turns_started, default=facts.now - limits.cooldown) + limits.cooldown
    if _a_person(facts) or until <= facts.now:
        return None
    message = f"{_pending(facts)} waits for the cooldown, until {_time(until)}; `tidemill train` does not."
    if facts.last_end:
        message += f" The last turn {facts.last_end}"
    return _wait(Reason.COOLDOWN, message, until=until.isoformat())


def _budget_spent(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction] | None:
    recent = sorted(started for started in facts.turns_started if started > facts.now - MONTH)
    if _a_person(facts) or len(recent) < limits.max_per_month:
        return None
    until = recent[-limits.max_per_month] + MONTH
    message = (
        f"{_pending(facts)} waits: {len(recent)} turns were started in the last 30 days, "
        f"maxPerMonth is {limits.max_per_month}; the next may start at {_time(until)}."
    )
    return _wait(Reason.BUDGET_SPENT, message, until=until.isoformat(), recent=len(recent))


def _too_few_outcomes(facts: TurnFacts, limits: Limits, min_rows: int) -> Verdict[StartAction] | None:
    if _a_person(facts) or facts.new_outcomes >= limits.min_new_outcomes:
        return None
    message = (
        f"{_pending(facts)} waits for outcomes: {facts.new_outcomes} arrived since the last turn, "
        f"minNewOutcomes is {limits.min_new_outcomes}."
    )
    return _wait(Reason.TOO_FEW_OUTCOMES, message, new_outcomes=facts.new_outcomes, needed=limits.min_new_outcomes)


POLICIES: tuple[Policy, ...] = (
    _turn_running,  # two turns at once would both answer the same signals
    _rollout_running,  # a challenger under judgement is not superseded
    _nothing,  # whoever asks
    _too_little_data,  # the first model could not be evaluated
    _no_signal,
    _cooldown,
    _budget_spent,
    _too_few_outcomes,  # the same data would give the same model
)


def _reason(facts: TurnFacts) -> Reason:
    kinds = {signal.kind for signal in facts.signals}
    return next((reason for reason in _WEIGHT if reason in kinds), Reason.BOOTSTRAP)


def _manual(facts: TurnFacts) -> bool:
    return any(signal.kind is Reason.MANUAL for signal in facts.signals)


def _a_person(facts: TurnFacts) -> bool:
    """Is behind it: by asking for a turn, or by mending what kept the first model from being made."""
    return _manual(facts) or (facts.edited and not facts.champion_exists)


def _pending(facts: TurnFacts) -> str:
    return ", ".join(signal.id for signal in facts.signals) or "The first turn"


def _time(moment: datetime) -> str:
    # Rounded up: at the minute named, the wait is over.
    return f"{moment + timedelta(minutes=1) - moment.resolution:%Y-%m-%d %H:%M}Z"


def _wait(reason: Reason, message: str, **evidence: Any) -> Verdict[StartAction]:
    return Verdict(StartAction.WAIT, reason, message, evidence)
