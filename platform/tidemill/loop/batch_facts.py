"""Reads and summarises one delivered partition. Whatever goes wrong in that is said of this partition alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.decisions.admit import BatchFacts
from tidemill.stats.summary import summarize

from .context import Context
from .errors import DataUnreadable, TidemillError
from .frames import arrays, canonical, changed_kinds, feature_columns, kinds_of, labels_of
from .model import Partition

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd


@dataclass(frozen=True)
class Read:
    """What a partition holds. `frame` is canonical, and None where it cannot be read; `kinds` is of its columns."""

    facts: BatchFacts
    frame: pd.DataFrame | None
    kinds: dict[str, str]


def read_facts(
    context: Context, partition: Partition, expected: dict[str, str], history: dict[str, Any], now: datetime
) -> Read:
    """`expected` holds the columns' kinds as they were, `history` what the learnt gate compares with.

    Raises TidemillError where something around the partition is at fault: a store that is away, a suite that is none.
    """
    common: dict[str, Any] = {"partition": partition.id, "start": partition.start, "end": partition.end, "now": now}
    try:
        frame = canonical(context.ports.source.read(partition), context.spec.data)
        kinds = kinds_of(frame)
        facts = _facts(context, frame, kinds, expected)
    except DataUnreadable as error:
        return Read(BatchFacts(rows=0, unreadable=str(error), **common), None, {})
    except TidemillError:
        raise
    except Exception as error:  # a time beyond the calendar, two columns of one name: files hold what nobody thought of
        return Read(BatchFacts(rows=0, unreadable=f"{type(error).__name__}: {error}", **common), None, {})
    return Read(BatchFacts(**facts, **common, **history), frame, kinds)


def _facts(context: Context, frame: pd.DataFrame, kinds: dict[str, str], expected: dict[str, str]) -> dict[str, Any]:
    data = context.spec.data
    needed = [data.key, data.event_time, *(name for name in expected if name != data.label.column)]
    missing = tuple(dict.fromkeys(name for name in needed if name not in frame))
    times = frame[data.event_time].dropna() if data.event_time in frame and len(frame) else None
    usable = not missing and len(frame) > 0
    return {
        "rows": len(frame),
        "max_event_time": None if times is None or times.empty else times.max().to_pydatetime(),
        "missing_columns": missing,
        "bad_label": "" if missing or data.label.column not in frame else labels_of(frame, data)[1],
        "changed_types": tuple(changed_kinds(expected, kinds)),
        "expectation_failures": _failures(context, frame) if usable else (),
        "summary": summarize(arrays(frame, _summarised(frame, context))) if usable and data.gate != "off" else None,
    }


def _summarised(frame: pd.DataFrame, context: Context) -> list[str]:
    # The key's duplicates matter, its values do not; the label belongs to the outcomes.
    return [*feature_columns(frame, context.spec.data), context.spec.data.key]


def _failures(context: Context, frame: pd.DataFrame) -> tuple[str, ...]:
    suite = context.spec.data.expectations
    if suite is None or context.spec.data.gate == "off":
        return ()
    features = frame.drop(columns=[context.spec.data.label.column], errors="ignore")
    try:
        return tuple(context.ports.validator.failures(features, context.uri(suite)))
    except TidemillError:
        raise
    except Exception as error:  # the suite is one, and breaks on this partition's values
        return (f"the suite {suite} cannot be evaluated on it ({type(error).__name__}: {error})",)
