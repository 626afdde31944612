"""What the loop learns of its own labels: how many come in the end, and how late those of each class are.

Measured once on each day that is old enough to have all of them. A loop that has none yet looks at the data it was
first trained on, whose labels came with it: that says how many come, and nothing of when.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from tidemill.decisions.closing import SETTLED, Arrival

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
_PARTITIONS = 5


def arrival(context: Context, now: datetime) -> Arrival:
    measured = sorted(context.documents(ArrivalDocument), key=lambda each: each.id)[-_DAYS:]
    if len(measured) < _FEW:
        return Arrival(usual=_usual_of_history(context, now))
    usual = median(day.share for day in measured)
    ages = {label: [day.ages[label] for day in measured if label in day.ages] for label in ("0", "1")}
    known = [median(found) for found in ages.values() if len(found) >= _FEW]
    return Arrival(usual, timedelta(seconds=max(known)) if len(known) == len(ages) else None)


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
    share = len(found) / len(rows) if len(rows) else 0.0
    late = (found["arrived_at"] - (day + DAY)).dt.total_seconds().clip(lower=0)
    ages = {}
    for label in (0, 1):
        own = late[found["label"] == label]
        if len(own) >= _LEAST:
            ages[str(label)] = float(own.quantile(SETTLED, interpolation="higher"))
    return ArrivalDocument(id=id, due=len(rows), share=share, ages=ages)


def _usual_of_history(context: Context, now: datetime) -> float | None:
    """Of admitted data that is old enough: the median share of keys that have a label. Of a history that is younger
    than labels are waited for: the largest share of a partition, since more may come. Read once, and once a day while
    it is young."""
    known = context.document(UsualDocument, "usual")
    today = f"{now:%Y-%m-%d}"
    if known is not None and known.as_of in (None, today):
        return known.share
    label = context.spec.data.label
    old = _shares(context, now, label.give_up_after)
    shares = old or _shares(context, now, label.arrives_after)
    usual = None if not shares else median(old) if old else max(shares)
    document = UsualDocument(share=usual, as_of=None if old else today)
    context.state.put(context.name, UsualDocument.kind, "usual", document.stored())
    return usual


def _shares(context: Context, now: datetime, age: timedelta) -> list[float]:
    """Of the latest admitted partitions that are so old."""
    admitted = {p.id for p in context.documents(PartitionDocument) if p.admitted}
    aged = [p for p in context.ports.source.partitions() if p.id in admitted and p.end + age <= now]
    shares = []
    for partition in aged[-_PARTITIONS:]:
        try:
            frame = canonical(context.ports.source.read(partition), context.spec.data)
        except DataUnreadable:
            continue
        share = _share(context, frame, now)
        if share is not None:
            shares.append(share)
    return shares


def _share(context: Context, frame: pd.DataFrame, now: datetime) -> float | None:
    keys = frame[context.spec.data.key].dropna().drop_duplicates()
    labels = context.ports.outcomes.known(now)["key"]
    return float(keys.isin(labels).mean()) if len(keys) else None


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
