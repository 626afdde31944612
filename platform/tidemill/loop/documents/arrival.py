"""What a loop has learnt of its own labels."""

from __future__ import annotations

from .base import Document


class ArrivalDocument(Document):
    """Of a day that is old enough to have all of its labels: `due` keys were answered, the share `share` of them has a
    label. `ages` is by class ("0", "1") how late a label was known, in seconds after the end of the day."""

    kind = "arrival"

    id: str
    due: int
    share: float
    ages: dict[str, float]


class UsualDocument(Document):
    """The share of keys that usually get a label, from the data that the loop was first trained on; None where that
    says nothing. `as_of` is the day on which it was read while the history was young: it is read again on the next."""

    kind = "arrival of history"

    share: float | None
    as_of: str | None = None
