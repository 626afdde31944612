"""What a loop has learnt of its own labels."""

from __future__ import annotations

from .base import Document


class ArrivalDocument(Document):
    """Of a day that is old enough to have all of its labels: `due` keys were answered, the share `share` of them has a
    label, `labels` of each class ("0", "1"). `ages` is by class how late they were known, in seconds after the end of
    the day; `ages_by_hours` the same after the end of the block of 1, 2, 4 or 8 hours in which the event lies. The
    first release measured neither of the last two, and no class of fewer than 20 labels."""

    kind = "arrival"

    id: str
    due: int
    share: float
    ages: dict[str, float]
    labels: dict[str, int] | None = None
    ages_by_hours: dict[str, dict[str, float]] | None = None

    def age(self, label: str, hours: int) -> float | None:
        """As a block of so many hours needs it; None where none was measured. Of lengths that were not measured, as one
        of an hour needs it, which is never sooner."""
        if hours == 24:
            return self.ages.get(label)
        measured = self.ages_by_hours or {}
        return measured.get(str(hours), measured.get("1", {})).get(label)

    def count(self, label: str) -> int:
        """The first release gave an age for 20 labels or more."""
        return 20 * (label in self.ages) if self.labels is None else self.labels.get(label, 0)


class UsualDocument(Document):
    """The share of keys that usually get a label, from the data that the loop was first trained on; None where that
    says nothing. `rarer` is the share of the rarer class among these labels. `as_of` is the day on which it was read
    while the history was young: it is read again on the next."""

    kind = "arrival of history"

    share: float | None
    rarer: float | None = None
    as_of: str | None = None
