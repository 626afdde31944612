from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.admit import AdmitAction, BatchFacts, admit
from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import Gate
from tidemill.stats.summary import Summary, summarize

GATE = Gate()
DAY = datetime(2013, 3, 1, tzinfo=UTC)


def day(seed: int, temperature: float = 20.0) -> Summary:
    rng = np.random.default_rng(seed)
    return summarize({"temperature": rng.normal(rng.normal(temperature, 1), 3, 400), "wind": rng.gamma(2, 2, 400)})


@lru_cache
def history(n: int = 45) -> tuple[Summary, ...]:
    return tuple(day(seed) for seed in range(n))


GOOD = BatchFacts("2013-03-01", 400, DAY, DAY + timedelta(days=1), DAY + timedelta(days=1))

NOTHING = {"rows": 0}
FUTURE = {"max_event_time": GOOD.now + timedelta(minutes=1)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unreadable": "not a Parquet file", "rows": 0}, Reason.UNREADABLE),
        (NOTHING, Reason.EMPTY),
        (FUTURE, Reason.IN_THE_FUTURE),
        ({"missing_columns": ("origin",)}, Reason.SCHEMA_CHANGED),
        ({"changed_types": (("distance", "number", "text"),)}, Reason.SCHEMA_CHANGED),
        ({"expectation_failures": ("origin is one of EWR, JFK, LGA: 3 are not",)}, Reason.EXPECTATION_FAILED),
    ],
)
def test_each_objection_quarantines_and_says_why(change: dict, reason: Reason) -> None:
    verdict = admit(replace(GOOD, **change), GATE)
    assert (verdict.action, verdict.reason) == (AdmitAction.QUARANTINE, reason)
    assert "2013-03-01" in verdict.message
    json.dumps(verdict.evidence)


def test_messages_name_the_columns() -> None:
    assert "origin" in admit(replace(GOOD, missing_columns=("origin",)), GATE).message
    changed = admit(replace(GOOD, changed_types=(("distance", "number", "text"),)), GATE)
    assert "distance was number and is text" in changed.message


def test_partitions_like_history_are_admitted() -> None:
    verdicts = [admit(replace(GOOD, summary=day(seed), history=history()), GATE) for seed in range(1000, 1020)]
    admitted = [verdict for verdict in verdicts if verdict.action is AdmitAction.ADMIT]
    assert len(admitted) >= 19  # one in a hundred may be held back
    assert all(verdict.reason is Reason.ADMITTED for verdict in admitted)
    assert all(verdict.evidence["distance"] <= verdict.evidence["distance_threshold"] for verdict in admitted)


def test_a_partition_unlike_history_is_held_and_its_columns_are_named_first() -> None:
    verdict = admit(replace(GOOD, summary=day(1000, temperature=60.0), history=history()), GATE)
    assert (verdict.action, verdict.reason) == (AdmitAction.QUARANTINE, Reason.UNLIKE_HISTORY)
    assert verdict.evidence["moved"][0]["column"] == "temperature"
    assert "temperature" in verdict.message
    json.dumps(verdict.evidence)


def test_the_learnt_gate_is_silent_before_it_has_enough_history() -> None:
    facts = replace(GOOD, summary=day(1000, temperature=60.0), history=history()[:29])
    assert admit(facts, GATE).action is AdmitAction.ADMIT
    assert admit(replace(facts, history=history()[:30]), GATE).action is AdmitAction.QUARANTINE


def test_a_short_minimum_history_never_asks_the_gate_too_early() -> None:
    facts = replace(GOOD, summary=day(1000), history=history()[:12])
    assert admit(facts, Gate(min_history=10)).action is AdmitAction.ADMIT


@given(
    rows=st.integers(0, 2),
    unreadable=st.none() | st.just("broken"),
    missing=st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
    failures=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    future=st.booleans(),
    gate=st.sampled_from(["off", GATE]),
)
def test_no_gate_ever_admits_the_empty_the_unreadable_or_the_incomplete(
    rows: int, unreadable: str | None, missing: tuple, failures: tuple, future: bool, gate: Gate
) -> None:
    facts = replace(
        GOOD,
        rows=rows,
        unreadable=unreadable,
        missing_columns=missing,
        expectation_failures=failures,
        max_event_time=GOOD.now + timedelta(hours=1 if future else -1),
    )
    broken = rows == 0 or unreadable is not None or bool(missing) or future or (bool(failures) and gate != "off")
    assert (admit(facts, gate).action is AdmitAction.QUARANTINE) == broken


def test_with_the_gate_off_what_expectations_and_history_say_is_ignored() -> None:
    facts = replace(GOOD, summary=day(1000, temperature=60.0), history=history(), expectation_failures=("x",))
    assert admit(facts, "off").reason is Reason.ADMITTED
