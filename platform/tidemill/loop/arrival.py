"""What the loop learns of its own labels: how many come in the end, and how late those of each class are.

Measured once on each day that is old enough to have all of them. A loop that has none yet looks at the data it was
first trained on, whose labels came with it: that says how many come, and nothing of when.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from statistics import median
from typing import TYPE_CHECKING

from tidemill.decisions.closing import SETTLED, Arrival
from tidemill.stats.dependence import HOURS

from .context import Context
from .documents.arrival import ArrivalDocument, UsualDocument
from .documents.partition import PartitionDocument
from .errors import DataUnreadable
from .evidence import DAY
from .frames import canonical

if TYPE_CHECKING:
    import pandas as pd

_DAYS = 14  # the latest days count
_FEW = 3  # days that must have been measured, before an age is believed
_LEAST = 20  # labels of a class that say something of its delay
CLASSES = ("0", "1")
_PARTITIONS = 5


def arrival(context: Context, now: datetime, hours: int = 24) -> Arrival:
    """As a block of so many hours needs it."""
    measured = sorted(context.documents(ArrivalDocument), key=lambda each: each.id)
    # A day without requests says nothing; one without a label that its delivery failed, or that it had not come yet.
    measured = [day for day in measured if day.due and day.share > 0][-_DAYS:]
    if len(measured) < _FEW:
        return _of_history(context, now)
    return Arrival(median(day.share for day in measured), _settled(measured, hours), _rarer(measured))


def _settled(measured: list[ArrivalDocument], hours: int) -> timedelta | None:
    """The age at which the slower class has arrived; None while too little is known of a class that there is."""
    found = []
    for label in CLASSES:
        days = [(day.count(label), age) for day in measured if (age := day.age(label, hours)) is not None]
        number = sum(count for count, _ in days)
        if not number and any(day.labels is not None for day in measured):
            continue  # nothing of it to wait for
        if number < _LEAST or len(days) < _FEW:
            return None
        sure = [age for count, age in days if count >= _LEAST]
        # The latest of few labels is an uncertain quantile of one day: most such days must have been served.
        found.append(median(sure) if len(sure) >= _FEW else sorted(age for _, age in days)[ceil(0.9 * len(days)) - 1])
    return timedelta(seconds=max(found)) if found else None


def _rarer(measured: list[ArrivalDocument]) -> float | None:
    counts = [sum(day.labels[label] for day in measured if day.labels is not None) for label in CLASSES]
    return min(counts) / sum(counts) if sum(counts) else None


def measure_arrivals(context: Context, first: datetime, now: datetime) -> None:
    """Measures the days since `first` that have become old enough."""
    done = {measured.id for measured in context.documents(ArrivalDocument)}
    patience = context.spec.data.label.give_up_after
    day = max(first, _midnight(now - patience) - _DAYS * DAY)
    while day + DAY + patience <= now:
        id = f"{day:%Y-%m-%d}"
        if id not in done:
            measured = _measured(context, id, day, day + DAY + patience)
            context.state.put_once(context.name, ArrivalDocument.kind, id, measured.stored())
        day += DAY


def _measured(context: Context, id: str, day: datetime, known_by: datetime) -> ArrivalDocument:
    rows = context.evidence.joined(day, day + DAY, known_by)
    rows = rows[rows["served"]].drop_duplicates("key")
    found = rows.dropna(subset=["label"])
    of_class = {label: found[found["label"] == float(label)] for label in CLASSES}

    def ages(hours: int) -> dict[str, float]:
        return {label: _age(own, hours) for label, own in of_class.items() if len(own)}

    return ArrivalDocument(
        id=id,
        due=len(rows),
        share=len(found) / len(rows) if len(rows) else 0.0,
        ages=ages(24),
        labels={label: len(own) for label, own in of_class.items()},
        ages_by_hours={str(hours): ages(hours) for hours in HOURS if hours < 24},
    )


def _age(rows: pd.DataFrame, hours: int) -> float:
    """By when SETTLED of the labels are known, in seconds after the end of the blocks in which their events lie."""
    end = rows["event_time"].dt.floor(f"{hours}h") + timedelta(hours=hours)
    late = (rows["arrived_at"] - end).dt.total_seconds().clip(lower=0)
    return float(late.quantile(SETTLED, interpolation="higher"))


def _of_history(context: Context, now: datetime) -> Arrival:
    """Of admitted data that is old enough: the median share of keys that have a label. Of a history that is younger
    than labels are waited for: the largest share of a partition, since more may come. Read once, and once a day while
    it is young."""
    known = context.document(UsualDocument, "usual")
    today = f"{now:%Y-%m-%d}"
    if known is None or known.as_of not in (None, today):
        label = context.spec.data.label
        old = _labelled(context, now, label.give_up_after)
        found = old or _labelled(context, now, label.arrives_after)
        shares, positive = [share for share, _ in found], [mean for _, mean in found if mean is not None]
        usual = None if not shares else median(shares) if old else max(shares)
        rarer = min(median(positive), 1 - median(positive)) if positive else None
        known = UsualDocument(share=usual, rarer=rarer, as_of=None if old else today)
        context.state.put(context.name, UsualDocument.kind, "usual", known.stored())
    return Arrival(usual=known.share or None, rarer=known.rarer)


def _labelled(context: Context, now: datetime, age: timedelta) -> list[tuple[float, float | None]]:
    """Of the latest admitted partitions that are so old: the share of keys that have a label, and the labels' mean."""
    admitted = {p.id for p in context.documents(PartitionDocument) if p.admitted}
    aged = [p for p in context.ports.source.partitions() if p.id in admitted and p.end + age <= now][-_PARTITIONS:]
    labels = context.ports.outcomes.known(now)
    found = []
    for partition in aged:
        try:
            frame = canonical(context.ports.source.read(partition), context.spec.data)
        except DataUnreadable:
            continue
        keys = frame[context.spec.data.key].dropna().drop_duplicates()
        own = labels.loc[labels["key"].isin(keys), "label"]
        if len(keys):
            found.append((len(own) / len(keys), float(own.mean()) if len(own) else None))
    return found


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
