"""A block of outcomes is evidence once its labels are in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.closing import Arrival, BlockFacts, is_closed

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
USUAL = Arrival(usual=0.95, settled=3 * DAY, rarer=0.3)


def closed(labelled: int, age: timedelta, known: Arrival = USUAL, **given: Any) -> bool:
    rules = {"arrives_after": 6 * HOUR, "give_up_after": 14 * DAY} | given
    return is_closed(BlockFacts(1000, labelled, age), known, **rules)


def test_the_first_label_closes_nothing() -> None:
    assert not closed(1, 7 * HOUR)
    assert not closed(900, 7 * HOUR)


def test_a_block_closes_when_nearly_all_labels_that_usually_come_are_there() -> None:
    assert not closed(930, 7 * HOUR)
    assert closed(931, 7 * HOUR), ".98 of .95"


def test_of_a_rare_class_a_tenth_may_be_missing_at_most() -> None:
    rare = Arrival(usual=1.0, settled=3 * DAY, rarer=0.015)
    assert not closed(985, 7 * HOUR, rare), "every negative, and no positive"
    assert not closed(998, 7 * HOUR, rare)
    assert closed(999, 7 * HOUR, rare)
    assert closed(985, 3 * DAY, rare), "each class has arrived: what is missing is lost"


def test_of_a_class_that_may_be_rare_nothing_may_be_missing_before_it_has_arrived() -> None:
    known = Arrival(usual=0.95, settled=3 * DAY)
    assert not closed(949, 7 * HOUR, known)
    assert closed(950, 7 * HOUR, known)


def test_a_declared_coverage_waits_for_the_slower_class_where_it_is_known() -> None:
    known = Arrival(usual=1.0, settled=3 * DAY)
    assert not closed(900, 7 * HOUR, known, coverage=0.7)
    assert closed(900, 3 * DAY, known, coverage=0.7)


def test_labels_that_come_at_once_are_overdue_after_some_hours_and_not_at_the_end_of_the_block() -> None:
    at_once = Arrival(usual=1.0, settled=timedelta(0))
    assert not closed(500, timedelta(0), at_once, arrives_after=timedelta(0))
    assert not closed(500, 6 * HOUR - timedelta(seconds=1), at_once, arrives_after=timedelta(0))
    assert closed(500, 6 * HOUR, at_once, arrives_after=timedelta(0))


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
    assert closed(800, 3 * DAY, coverage=0.8)
    assert closed(800, 7 * HOUR, Arrival(), coverage=0.8), "nothing is known of its classes"
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
