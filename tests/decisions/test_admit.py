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


def message(gate: object = GATE, **change: object) -> str:
    return admit(replace(GOOD, **change), gate).message


def test_labels_that_are_no_labels_are_held_back_and_one_is_shown() -> None:
    verdict = admit(replace(GOOD, bad_label="2 (AA-1)"), "off")
    assert (verdict.action, verdict.reason) == (AdmitAction.QUARANTINE, Reason.BAD_LABELS)
    assert "neither 0 nor 1, such as 2 (AA-1)" in verdict.message


def test_one_row_and_an_event_of_this_very_moment_are_admitted() -> None:
    assert admit(replace(GOOD, rows=1, max_event_time=GOOD.now), "off").action is AdmitAction.ADMIT
    late = replace(GOOD, max_event_time=GOOD.now + timedelta(microseconds=1))
    assert admit(late, "off").reason is Reason.IN_THE_FUTURE


def test_the_hardest_fault_is_the_reason() -> None:
    faults = [
        ({"unreadable": "x"}, Reason.UNREADABLE), (NOTHING, Reason.EMPTY),
        ({"missing_columns": ("a",)}, Reason.SCHEMA_CHANGED),
        (FUTURE, Reason.IN_THE_FUTURE), ({"bad_label": "2"}, Reason.BAD_LABELS),
        ({"changed_types": (("a", "b", "c"),)}, Reason.SCHEMA_CHANGED),
        ({"expectation_failures": ("x",)}, Reason.EXPECTATION_FAILED),
    ]  # fmt: skip
    for n, (_, reason) in enumerate(faults):
        every = {name: value for change, _ in faults[n:] for name, value in change.items()}
        assert admit(replace(GOOD, **every), GATE).reason is reason


def test_a_person_is_told_the_first_failures_and_how_many_more_there_are() -> None:
    assert message(expectation_failures=("a", "b", "c")).endswith("fails 3 expectation(s): a; b; c.")
    assert message(expectation_failures=("a", "b", "c", "d")).endswith("fails 4 expectation(s): a; b; c, and 1 more.")


def test_a_person_is_told_the_figures_of_the_three_columns_that_moved_most() -> None:
    rng = np.random.default_rng(0)

    def wide(shift: float) -> Summary:
        return summarize({f"x{n}": rng.normal(shift * (n + 1), 1, 100) for n in range(5)})

    verdict = admit(replace(GOOD, summary=wide(3.0), history=[wide(0.0) for _ in range(45)]), GATE)
    assert "unlike all 45 admitted partitions" in verdict.message
    moved = verdict.evidence["moved"]
    shown = [f"{m['column']} ({m['statistic']} {m['value']:.4g}, usually {m['typical']:.4g})" for m in moved]
    assert len(shown) == 5
    assert [text in verdict.message for text in shown] == [True] * 3 + [False] * 2
    scores = verdict.evidence["calibrated_on"]
    assert f"({scores} scores prove a false alarm rate of {2 / (scores + 1):.1%}; less is a fit)" in verdict.message


def test_where_scores_prove_the_declared_rate_nothing_is_said_of_a_fit() -> None:
    """22 scores and the new one: 2 / 23 is 8.7 %."""
    facts = replace(GOOD, summary=day(1000, temperature=60.0), history=history()[:37])
    scores = admit(facts, GATE).evidence["calibrated_on"]
    exactly, less = 2 / (scores + 1), 1.9 / (scores + 1)
    assert "is a fit" not in admit(facts, Gate(false_alarms=exactly)).message
    assert "is a fit" in admit(facts, Gate(false_alarms=less)).message


def test_what_is_held_back_is_no_admitted_history() -> None:
    facts = replace(GOOD, summary=day(1000, temperature=60.0), history=history()[:30], held=(True, *[False] * 29))
    verdict = admit(facts, GATE)
    assert (verdict.action, verdict.evidence) == (AdmitAction.ADMIT, {"history": 29})
    assert "from 30 admitted partitions on (29 so far)" in verdict.message
    more = replace(facts, history=history()[:31], held=(True, *[False] * 30))
    assert "unlike all 30 admitted partitions" in admit(more, GATE).message


def test_the_shortest_history_that_can_be_asked_for_is_sixteen_partitions() -> None:
    facts = replace(GOOD, summary=day(1000, temperature=60.0))
    shortest = Gate(min_history=10)
    assert "(15 so far)" in admit(replace(facts, history=history()[:15]), shortest).message
    assert "distance" in admit(replace(facts, history=history()[:16]), shortest).evidence


def test_what_is_held_back_tells_its_rows_and_its_fault() -> None:
    assert admit(replace(GOOD, missing_columns=("a", "b")), GATE).evidence == {"rows": 400, "missing": ["a", "b"]}
    assert admit(replace(GOOD, changed_types=(("a", "x", "y"),)), GATE).evidence["changed"] == [["a", "x", "y"]]
    assert admit(replace(GOOD, expectation_failures=("a",)), GATE).evidence["failures"] == ["a"]
    assert "2013-03-02 00:01Z, later than now (2013-03-02 00:00Z)" in message(**FUTURE)
