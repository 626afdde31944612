"""Raises the reasons to train: each is recorded once, before anything acts on it."""

from __future__ import annotations

from datetime import datetime

from tidemill.decisions import signals as decide
from tidemill.decisions.performance import PerformanceBlock, performance
from tidemill.decisions.signal import Signal
from tidemill.decisions.verdict import Reason

from . import promise
from .blocks import sound_days
from .champions import current_champion
from .context import Context, Event
from .documents.champion import ChampionDocument, ReignDocument
from .documents.incident import stored_incidents
from .documents.loop import LoopDocument
from .documents.partition import PartitionDocument
from .documents.signal import AlertDocument, SignalDocument
from .documents.store import read_one, to_write
from .documents.turn import TurnDocument
from .turns import admitted_rows


def raise_signals(context: Context, now: datetime) -> None:
    champion = current_champion(context)
    if champion is None:
        return  # the first turn needs no reason
    triggers = context.spec.triggers
    turns = context.documents(TurnDocument)
    found = decide.schedule(now, triggers.schedule, _last_scheduled(context, turns))
    found += decide.new_data(
        admitted_rows(context),
        max((turn.rows for turn in turns if turn.status != "failed"), default=0),
        None if triggers.new_data is None else triggers.new_data.growth,
    )
    if triggers.performance is not None:
        rule = triggers.performance
        blocks, before = _performance(context, champion)
        found += performance(blocks, rule.tolerance, rule.false_alarms, promise.noise(champion.promised), before)
    known = {signal.id for signal in context.documents(SignalDocument)}
    for signal in found:
        if signal.id not in known:
            _record(context, signal, now)
    if triggers.drift is not None:
        _drift(context, known, now)


def _record(context: Context, signal: Signal, now: datetime) -> None:
    write = to_write(SignalDocument.of(signal, now), signal.id)
    event = Event(now, "signal.recorded", signal.kind, signal.message, dict(signal.evidence))
    context.record(event, [write], f"signal/{signal.id}")


def _last_scheduled(context: Context, turns: list[TurnDocument]) -> datetime:
    """When a schedule last started a turn, or when the loop's first turn ended."""
    scheduled = [t for t in turns if any(s.startswith("schedule-") for s in t.signals)] or turns[:1]
    if scheduled:
        return scheduled[-1].started_at
    loop = read_one(context.state, context.name, LoopDocument, LoopDocument.id)
    assert loop is not None, "a tick writes it first"
    return loop.since


def _performance(context: Context, champion: ChampionDocument) -> tuple[list[PerformanceBlock], list[PerformanceBlock]]:
    """What the champion lost and what it promised, since it became champion; and what those before it did."""
    earlier = [reign for reign in context.documents(ReignDocument) if reign.since < champion.since]
    reigns = [*sorted(earlier, key=lambda reign: reign.since), champion]
    blocks: list[PerformanceBlock] = []
    before: list[PerformanceBlock] = []
    for day in sound_days(context):
        reign = next((reign for reign in reversed(reigns) if reign.since < day.closed_at), None)
        own = None if reign is None else day.versions.get(reign.version)
        if reign is None or own is None or own.loss is None or own.promised is None:
            continue
        found = PerformanceBlock(day.id, own.n, own.loss, own.promised + reign.excess)
        (blocks if reign is champion else before).append(found)
    return blocks, before


def _drift(context: Context, known: set[str], now: datetime) -> None:
    """Every judged partition counts, admitted or held back: what is held back is where the inputs drift."""
    partitions = sorted(context.documents(PartitionDocument), key=lambda p: p.id)
    blocks = [decide.DriftBlock(p.id, p.distance, p.moved or ()) for p in partitions if p.distance is not None]
    changes = [
        decide.Change(i.id, i.since, i.opened_on, i.until, i.columns)
        for i in stored_incidents(context.state, context.name)
    ]
    rule = context.spec.triggers.drift
    if rule is None:
        return
    for signal in decide.drift(blocks, rule.false_alarms, changes):
        if rule.action == "retrain" and signal.id not in known:
            _record(context, signal, now)
        elif rule.action == "alert" and context.state.get(context.name, AlertDocument.kind, signal.id) is None:
            event = Event(now, "drift.alert", Reason.DRIFT, signal.message, dict(signal.evidence))
            context.record(event, [to_write(AlertDocument.of(signal), signal.id)], f"alert/{signal.id}")
