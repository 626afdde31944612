"""A block of outcomes is evidence once its labels are in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.closing import Arrival, BlockFacts, is_closed

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
USUAL = Arrival(usual=0.95, settled=3 * DAY)


def closed(labelled: int, age: timedelta, known: Arrival = USUAL, **given: Any) -> bool:
    rules = {"arrives_after": 6 * HOUR, "give_up_after": 14 * DAY} | given
    return is_closed(BlockFacts(1000, labelled, age), known, **rules)


def test_the_first_label_closes_nothing() -> None:
    assert not closed(1, 7 * HOUR)
    assert not closed(900, 7 * HOUR)


def test_a_block_closes_when_nearly_all_labels_that_usually_come_are_there() -> None:
    assert not closed(930, 7 * HOUR)
    assert closed(931, 7 * HOUR), ".98 of .95"


def test_a_block_never_closes_before_its_labels_are_said_to_arrive() -> None:
    assert not closed(1000, 6 * HOUR - timedelta(seconds=1))
    assert closed(1000, 6 * HOUR)


def test_once_each_class_has_usually_arrived_somewhat_fewer_suffice() -> None:
    assert not closed(856, 3 * DAY - HOUR)
    assert closed(856, 3 * DAY), "a day on which more is lost than usual"
    assert not closed(854, 3 * DAY)


def test_once_the_missing_labels_are_overdue_half_of_the_usual_ones_suffice() -> None:
    assert not closed(476, 6 * DAY - HOUR)
    assert closed(476, 6 * DAY), "every second flight is cancelled, and the others say what a storm is"
    assert not closed(474, 6 * DAY), "the delivery of labels itself has failed"


def test_labels_are_not_overdue_before_twice_the_time_that_the_spec_gives_them() -> None:
    known = Arrival(usual=0.95, settled=HOUR)
    assert not closed(500, 12 * HOUR - timedelta(seconds=1), known)
    assert closed(500, 12 * HOUR, known)


def test_while_nothing_is_known_of_the_labels_a_block_waits_until_they_are_given_up() -> None:
    assert not closed(1000, 13 * DAY, Arrival())
    assert closed(10, 14 * DAY, Arrival())


def test_a_block_that_is_given_up_without_a_label_is_no_evidence() -> None:
    assert not closed(0, 14 * DAY)


def test_what_the_spec_declares_holds_in_place_of_what_is_usual() -> None:
    assert closed(800, 7 * HOUR, coverage=0.8)
    assert not closed(799, 13 * DAY, coverage=0.8)
    assert closed(799, 14 * DAY, coverage=0.8)


def test_a_block_without_answers_stays_open() -> None:
    facts = BlockFacts(0, 0, 20 * DAY)
    assert not is_closed(facts, USUAL, timedelta(0), DAY)


@given(st.integers(0, 1000), st.integers(0, 400), st.floats(0.1, 1), st.integers(0, 200))
def test_a_block_that_is_closed_stays_closed_as_labels_come_and_time_goes_by(
    labelled: int, hours: int, usual: float, settled: int
) -> None:
    known = Arrival(usual, settled * HOUR)
    if closed(labelled, hours * HOUR, known):
        assert closed(min(labelled + 1, 1000), hours * HOUR, known)
        assert closed(labelled, (hours + 1) * HOUR, known)


def test_without_a_label_nothing_is_evidence_even_where_none_is_usual() -> None:
    never = Arrival(usual=0.0, settled=DAY)
    assert not closed(0, 2 * DAY, never)
    assert closed(1, 2 * DAY, never)
    assert closed(1, 14 * DAY)


def test_until_it_is_known_when_labels_have_arrived_nearly_all_are_needed() -> None:
    unknown = Arrival(usual=0.95)
    assert not closed(930, 13 * DAY, unknown)
    assert closed(931, 7 * HOUR, unknown)
