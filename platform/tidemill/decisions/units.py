"""What is said of outcomes that a column parts: how many values of it were seen, and which rows are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .judge import PairedBlock


def one_and_many(column: str) -> tuple[str, str]:
    return f"value of {column}", f"values of {column}"


def units(number: int, column: str) -> str:
    """Such as "38 values of batch"."""
    return f"{number} {one_and_many(column)[number != 1]}"


def left_out(column: str | None, blocks: Sequence[PairedBlock], repeated: int = 0) -> str:
    """Rows that no test counts, each kind with its reason; empty where there are none. `repeated`: as in the facts."""
    unplaced, returned = _left_out(blocks)
    said = ""
    if unplaced:
        said += f"; no test counts the {_outcomes(unplaced)} of requests without a value of {column}"
    if returned:
        said += f"; no test counts the {_outcomes(returned)} of values of {column} that came on an earlier day"
    if repeated:
        said += f"; no test counts the {_outcomes(repeated)} of keys that came on an earlier day"
    return said


def unit_figures(column: str | None, blocks: Sequence[PairedBlock]) -> dict[str, Any]:
    """The same for the verdict's evidence; JSON-serialisable."""
    if column is None:
        return {}
    unplaced, returned = _left_out(blocks)
    return {"block_column": column, "outcomes_without_value": unplaced, "outcomes_of_earlier_values": returned}


def _left_out(blocks: Sequence[PairedBlock]) -> tuple[int, int]:
    return sum(block.unplaced for block in blocks), sum(block.returned for block in blocks)


def _outcomes(number: int) -> str:
    return "one outcome" if number == 1 else f"{number} outcomes"
