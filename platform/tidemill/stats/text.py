"""The shape of a column of text: what can be compared where the values themselves are new every day.

Free text is no category: its values are rare and long, their shares say nothing, and they belong to people, not into a
state store. Its shape (length, kinds of characters, how often a value repeats) is what broken deliveries change:
truncation, wrong encodings, swapped columns, placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

LONG = 24
"""Characters from which a value reads as text: names of places, plants or products are mostly shorter."""
SAMPLE = 2000  # distinct values whose characters are counted, and how many of each one's
CHARACTERS = 500
SHOWN = 48  # of a category's name; a longer one is told apart by a checksum


@dataclass(frozen=True)
class Shape:
    """Of the values that are not null. `length` is the mean number of characters; `letters`, `digits` and `spaces` are
    shares of characters, the rest being others; `upper` is the share of letters that are capitals; `top_share` the
    share of the most common value, of all rows; `empty_share` that of values without a visible character."""

    length: float
    letters: float
    digits: float
    spaces: float
    upper: float
    top_share: float
    empty_share: float


def shape_of(counts: Mapping[str, int], rows: int) -> Shape | None:
    """`counts` is how often each value occurs among `rows`; None where there is none."""
    present = sum(counts.values())
    if not present:
        return None
    # By checksum: the same values in another order, or on another machine, give the same sample.
    sample = sorted(counts, key=lambda value: (crc32(value.encode("utf-8", "replace")), value))[:SAMPLE]
    letters = digits = spaces = upper = characters = 0
    for value in sample:
        weight, part = counts[value], value[:CHARACTERS]
        characters += weight * len(part)
        letters += weight * sum(map(str.isalpha, part))
        digits += weight * sum(map(str.isdigit, part))
        spaces += weight * sum(map(str.isspace, part))
        upper += weight * sum(map(str.isupper, part))
    return Shape(
        length=sum(len(value) * count for value, count in counts.items()) / present,
        letters=letters / max(characters, 1),
        digits=digits / max(characters, 1),
        spaces=spaces / max(characters, 1),
        upper=upper / max(letters, 1),
        top_share=max(counts.values()) / max(rows, 1),
        empty_share=sum(count for value, count in counts.items() if not value.strip()) / max(rows, 1),
    )


def is_free_text(counts: Mapping[str, int], listed: int) -> bool:
    """Whether most values are rare (not among the `listed` most common ones) and long."""
    present = sum(counts.values())
    if len(counts) <= listed:
        return False
    common = sum(sorted(counts.values(), reverse=True)[:listed])
    return common < present / 2 and sum(len(v) * c for v, c in counts.items()) >= LONG * present


def shown(value: str) -> str:
    """A category's name as it is stored: a long one shortened, and still another name than each other's."""
    if len(value) <= SHOWN:
        return value
    return f"{value[:SHOWN]}... ({crc32(value.encode('utf-8', 'replace')):08x})"
