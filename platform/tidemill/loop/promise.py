"""What a model promised at evaluation, carried from the turn's result to the champion's document.

`excess` is what it lost a row above the entropy of its scores, over the days of the hold-out; `excess_error` is the
standard error of that, None where it is not known (one day, no evaluation), and `excess_days` the number of days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.stats.daily import UNKNOWN, Noise


def recorded(excess: float, noise: Noise) -> dict[str, Any]:
    """As the evaluation records it; JSON knows no infinity."""
    return {"excess": excess, "excess_error": noise.error if noise.known else None, "excess_days": noise.days}


def promised(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of an evaluation's record, or of a reign. Those of earlier releases have no error: it is not known."""
    return {
        "excess": document.get("excess", 0.0),
        "excess_error": document.get("excess_error"),
        "excess_days": document.get("excess_days", 0),
    }


def noise(document: Mapping[str, Any]) -> Noise:
    found = promised(document)
    return UNKNOWN if found["excess_error"] is None else Noise(found["excess_error"], found["excess_days"])
