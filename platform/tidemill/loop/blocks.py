"""Closes days: what each version lost on them. Days are what models are repaired by and held to their promise.

A closed day is never changed. Every sequential test is a fold over closed blocks, so none of them keeps state of its
own and none can be looked at "one time too often". A rollout has blocks of its own (see pairs, operation).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.closing import Arrival, BlockFacts, is_closed
from tidemill.decisions.verdict import Reason
from tidemill.stats.calibration import apply
from tidemill.stats.scores import brier_rows, entropy_rows, log_loss_rows

from .arrival import arrival, measure_arrivals
from .champions import current_champion
from .context import Context
from .documents.blocks import DayDocument, Served, VersionDay
from .documents.partition import PartitionDocument
from .documents.repair import CalibratorDocument
from .documents.store import read_where
from .evidence import DAY
from .looking import looked_at, may_have_changed

if TYPE_CHECKING:
    import pandas as pd


def close_days(context: Context, now: datetime) -> None:
    champion = current_champion(context)
    if champion is None:
        return
    first = midnight(champion.first_since)
    measure_arrivals(context, first, now)
    closed = {str(block["id"]) for block in context.state.documents(context.name, DayDocument.kind)}
    label = context.spec.data.label
    known: Arrival | None = None
    # Days that were given up without a label are not looked at for ever; those that nobody looked at yet are.
    last = max((datetime.fromisoformat(id).replace(tzinfo=UTC) for id in closed), default=first - DAY)
    day = max(first, min(last + DAY, midnight(now - label.give_up_after) - 2 * DAY))
    while day + DAY + label.arrives_after <= now:
        id = f"{day:%Y-%m-%d}"
        if id not in closed and may_have_changed(context, "day", id, day + DAY, now):
            known = known or arrival(context, now)
            _close(context, id, day, known, now)
        day += DAY


def _close(context: Context, id: str, day: datetime, known: Arrival, now: datetime) -> None:
    label = context.spec.data.label
    labels = context.ports.outcomes.count(now)
    rows = context.evidence.joined(day, day + DAY, now)
    answered = rows[rows["served"]]
    facts = BlockFacts(len(answered), int(answered["label"].notna().sum()), now - (day + DAY))
    if not is_closed(facts, known, label.arrives_after, label.give_up_after, label.coverage):
        looked_at(context, "day", id, labels, facts.due, now)
        return
    found = rows.dropna(subset=["label"])
    served = found[found["served"]]
    document = DayDocument(
        id=id,
        closed_at=now,
        due=facts.due,
        labelled=facts.labelled,
        served=Served(n=len(served), loss=mean(log_loss_rows(score_of(served), label_of(served)))),
        versions={str(version): _version(context, part, id) for version, part in found.groupby("version")},
    )
    context.state.put_once(context.name, DayDocument.kind, id, document.stored())


def _version(context: Context, rows: pd.DataFrame, day: str) -> VersionDay:
    raw, score, label = rows["raw"].to_numpy(float), score_of(rows), label_of(rows)
    candidate = candidate_calibrator(context, str(rows["version"].iloc[0]), before=day)
    corrected = None if candidate is None else apply(raw, candidate.intercept, candidate.slope)
    return VersionDay(
        n=len(rows),
        loss=mean(log_loss_rows(score, label)),
        brier=mean(brier_rows(score, label)),
        raw_loss=mean(log_loss_rows(raw, label)),
        promised=mean(entropy_rows(score)),
        candidate_loss=None if corrected is None else mean(log_loss_rows(corrected, label)),
    )


def candidate_calibrator(context: Context, version: str, before: str) -> CalibratorDocument | None:
    """The latest correction fitted only on days before `before`: its gain on that day is an honest one."""
    fits = [fit for fit in context.calibrators(version) if fit.through < before]
    return max(fits, key=lambda fit: fit.through, default=None)


def faulty_days(context: Context) -> set[str]:
    """Days whose data is at fault: what a model does with it is no evidence about the model. A day that is merely
    unlike history is: the world may have changed, and that is what evidence is for."""
    held = read_where(context.state, context.name, PartitionDocument, status="quarantined")
    return {partition.id for partition in held if partition.reason != Reason.UNLIKE_HISTORY}


def sound_days(context: Context) -> list[DayDocument]:
    """Closed days without the faulty ones, in order."""
    faulty = faulty_days(context)
    stored = context.state.documents(context.name, DayDocument.kind)
    days = [DayDocument.read(document) for document in stored if document["id"] not in faulty]
    return sorted(days, key=lambda day: day.id)


def score_of(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    return rows["score"].to_numpy(float)


def label_of(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    return rows["label"].to_numpy(float)


def mean(values: np.ndarray[Any, Any]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
