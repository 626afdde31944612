"""When partitions that are unlike history are one lasting change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.lasting import IN_A_ROW, Judged, incidents


def judged(*moved: str) -> list[Judged]:
    """A partition each: the columns that moved, one letter each; none where it is like history."""
    return [Judged(f"{n:03}", bool(columns), tuple(columns)) for n, columns in enumerate(moved)]


def test_some_in_a_row_in_the_same_column_are_one_incident_that_is_open() -> None:
    (found,) = incidents(judged("", "za", "bz", "z", "z"))
    assert (found.partitions, found.columns, found.over) == (("001", "002", "003", "004"), ("z",), False)


def test_one_less_is_none() -> None:
    assert incidents(judged("", *["z"] * (IN_A_ROW - 1), "")) == []


def test_different_columns_are_different_faults() -> None:
    assert incidents(judged("a", "b", "c", "a")) == []


def test_a_like_partition_before_it_is_an_incident_begins_anew() -> None:
    assert incidents(judged("z", "z", "", "z", "z")) == []


def test_one_mild_partition_does_not_end_an_incident() -> None:
    (found,) = incidents(judged("z", "z", "z", "", "z"))
    assert (len(found.partitions), found.over) == (4, False)


def test_partitions_in_a_row_like_history_end_it() -> None:
    (found,) = incidents(judged("z", "z", "z", "", "", ""))
    assert (len(found.partitions), found.over) == (3, True)


def test_another_fault_during_an_incident_is_not_its() -> None:
    (found,) = incidents(judged("z", "z", "z", "q", "z"))
    assert found.partitions == ("000", "001", "002", "004")


def test_a_column_that_moves_in_three_more_of_an_incident_in_a_row_joins_it() -> None:
    (two,) = incidents(judged(*["x"] * 3, *["xz"] * 2))
    assert two.joined == {}
    (found,) = incidents(judged(*["x"] * 3, *["xz"] * 3, "x"))
    assert (len(found.partitions), found.columns, found.joined) == (7, ("x",), {"z": "003"})


def test_what_three_days_not_in_a_row_have_moved_too_does_not_join() -> None:
    for moved in (["x", "xz"] * 5, [*["x"] * 3, "xz", "", "xz", "xz"], [*["x"] * 3, "xq", "xz", "xw"]):
        (found,) = incidents(judged(*moved))
        assert found.joined == {}


def test_what_moves_from_the_first_partition_on_needs_not_join() -> None:
    (found,) = incidents(judged(*["xz"] * 5))
    assert (found.columns, found.joined) == (("x", "z"), {})


def test_three_in_a_row_in_other_columns_end_an_incident_and_are_the_next() -> None:
    assert [run.columns for run in incidents(judged(*["x"] * 3, *["z"] * 2))] == [("x",)]
    first, second = incidents(judged(*["x"] * 3, *["z"] * 4))
    assert (first.partitions, first.over) == (("000", "001", "002"), True)
    assert (second.partitions, second.columns, second.over) == (("003", "004", "005", "006"), ("z",), False)


def test_other_columns_are_no_incident_while_the_first_comes_back_between_them() -> None:
    (found,) = incidents(judged(*["x"] * 3, "z", "z", "x", "z", "z", "", "z"))
    assert (found.columns, found.over) == (("x",), False)


@given(st.lists(st.sampled_from(["", "z", "a", "za"]), max_size=30))
def test_incidents_share_no_partition_and_only_the_last_is_open(moved: list[str]) -> None:
    found = incidents(judged(*moved))
    members = [partition for run in found for partition in run.partitions]
    assert members == sorted(set(members))
    assert all(run.over for run in found[:-1])
    assert all(len(run.partitions) >= IN_A_ROW and run.columns for run in found)
    assert all(moved[int(partition)] for partition in members)


@given(st.lists(st.sampled_from(["", "z", "a", "za"]), max_size=30))
def test_what_comes_later_never_unmakes_an_incident(moved: list[str]) -> None:
    seen: set[str] = set()
    for n in range(len(moved)):
        now = {run.partitions[0] for run in incidents(judged(*moved[: n + 1]))}
        assert seen <= now
        seen = now


def test_three_in_a_row_begin_an_incident_and_three_end_it() -> None:
    assert [len(incidents(judged(*["z"] * n))) for n in (2, 3)] == [0, 1]
    assert [incidents(judged(*["z"] * 3, *[""] * n))[0].over for n in (1, 2, 3)] == [False, False, True]


def test_mild_partitions_that_are_not_in_a_row_do_not_end_it() -> None:
    (found,) = incidents(judged("z", "z", "z", "", "", "z", "", ""))
    assert (len(found.partitions), found.over) == (4, False)


def test_after_an_incident_the_next_begins_with_its_own_partitions() -> None:
    first, second = incidents(judged("z", "z", "z", "", "", "", "az", "z", "z"))
    assert (first.partitions, second.partitions) == (("000", "001", "002"), ("006", "007", "008"))
    assert (first.over, second.over, second.columns) == (True, False, ("z",))


def test_another_fault_counts_as_unlike_history_while_an_incident_lasts() -> None:
    (found,) = incidents(judged("z", "z", "z", "", "", "q", "", ""))
    assert not found.over


def test_columns_in_common_keep_the_order_of_the_first_partition() -> None:
    (found,) = incidents(judged("cab", "abc", "bca"))
    assert found.columns == ("c", "a", "b")


def test_another_fault_before_it_is_an_incident_begins_a_run_of_its_own() -> None:
    (found,) = incidents(judged("z", "z", "q", "q", "q"))
    assert found.partitions == ("002", "003", "004")
