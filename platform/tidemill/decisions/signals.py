"""Reasons to train. Each function is pure and tells the same story however often it is asked: a signal's id is made of
what caused it, so that it is recorded once and answered once.

They return every signal that history gives rise to, old ones too; the caller records the new ones and forgets none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log

from tidemill.spec.quantities import last_due
from tidemill.stats.conformal import detect_drift

from .signal import Signal
from .verdict import Reason


@dataclass(frozen=True)
class DriftBlock:
    """The distance of a judged partition to history on arrival, and the columns that moved most."""

    partition: str
    score: float
    moved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """A lasting change of the world (decisions.lasting): since which partition, on which it was seen to last."""

    id: str
    since: str
    opened_on: str
    until: str
    columns: tuple[str, ...]


def schedule(now: datetime, cron: str | None, since: datetime) -> list[Signal]:
    """The latest due time after `since`, when the last turn that a schedule started began, or else the loop.

    Times missed while nobody ran the loop are one signal: training twice on the same data helps nobody.
    """
    if cron is None:
        return []
    due = last_due(cron, now)
    if due <= since:
        return []
    message = f"The schedule {cron!r} was due at {due:%Y-%m-%d %H:%M}Z."
    return [Signal(Reason.SCHEDULE, f"schedule-{due:%Y-%m-%dT%H:%M}Z", message, {"cron": cron, "due": due.isoformat()})]


def new_data(admitted_rows: int, trained_rows: int, growth: float | None) -> list[Signal]:
    """Rows grew by the share `growth` over what the last turn saw (`trained_rows`, accepted or not; 0: no turn yet).

    Each further growth by that share is a signal of its own: where a turn failed, the next one is not lost with it.
    """
    if growth is None or not 0 < trained_rows < admitted_rows:
        return []
    needed = _reached(admitted_rows, trained_rows, growth)
    if needed <= trained_rows:
        return []
    grown = admitted_rows / trained_rows - 1
    message = f"{admitted_rows} admitted rows are {grown:.0%} more than the last turn's {trained_rows}."
    evidence = {"admitted_rows": admitted_rows, "trained_rows": trained_rows, "growth": growth}
    return [Signal(Reason.NEW_DATA, f"newdata-{needed}", message, evidence)]


def _reached(rows: int, base: int, growth: float) -> int:
    """The largest of base, base (1 + growth), base (1 + growth)^2, ... that `rows` (more than base) reach; growth is a
    row at least."""
    factor = 1 + max(growth, 1 / base)
    times = round(log(rows / base) / log(factor)) + 1
    while times and ceil(base * factor**times) > rows:
        times -= 1
    return ceil(base * factor**times)


def drift(blocks: Sequence[DriftBlock], false_alarms: float, changes: Sequence[Change] = ()) -> list[Signal]:
    """Alarms of a conformal test on the partitions' distances, in order, and each lasting change of the world. Whether
    one alerts or trains is the spec's.

    One change is one signal: alarms of the test within a lasting change are left out, and where the test had alarmed
    before the change was seen to last, that was its signal.
    """
    found = detect_drift([b.partition for b in blocks], [b.score for b in blocks], false_alarms)
    alarms = [blocks[alarm] for alarm in found.alarms]
    seen = [change for change in changes if not any(change.since <= a.partition < change.opened_on for a in alarms)]
    told = [alarm for alarm in alarms if not any(c.opened_on <= alarm.partition <= c.until for c in changes)]
    signals = [(alarm.partition, _drift_alarm(alarm)) for alarm in told]
    signals += [(change.opened_on, _lasting_change(change)) for change in seen]
    return [signal for _, signal in sorted(signals, key=lambda each: each[0])]


def _drift_alarm(alarm: DriftBlock) -> Signal:
    named = f" Moved most: {', '.join(alarm.moved[:5])}." if alarm.moved else ""
    message = f"The inputs move away from history, seen at {alarm.partition}.{named}"
    evidence = {"until": alarm.partition, "score": alarm.score, "moved": list(alarm.moved)}
    return Signal(Reason.DRIFT, f"drift-{alarm.partition}", message, evidence)


def _lasting_change(change: Change) -> Signal:
    columns = ", ".join(change.columns[:5])
    message = f"The inputs are no longer those of history since {change.since}. Moved most: {columns}."
    evidence = {"since": change.since, "until": change.opened_on, "moved": list(change.columns)}
    return Signal(Reason.DRIFT, f"drift-{change.id}", message, evidence)
