"""When a block whose labels are not all in was last looked at, and what was seen."""

from __future__ import annotations

from .base import Document, Moment


class Look(Document):
    """`labels`: how many labels the loop knew before the block was read. `due`: rows of the block that wait for a label
    or have one; None in a look of an earlier release, which did not count them."""

    kind = "looked at"

    at: Moment
    labels: int
    due: int | None = None
