"""Up to which time are the outcomes of a rollout known without a gap?"""

from __future__ import annotations

from pathlib import Path

from small_world import Small
from stored import partition
from tidemill.loop.in_order import known_until
from tidemill.loop.pairs import close_pairs, paired_blocks
from tried_versions import DAY, FIRST, HOUR, ask, label, rollout, tried

DAYS = [FIRST + n * DAY for n in range(4)]


def lived(it: Small, labelled: list[int], until: int = 4) -> None:
    """Both versions answer 40 keys on each day; those of the days in `labelled` come true on the next morning."""
    for n in range(3):
        document = {"id": f"2024-01-0{n + 1}", "due": 40, "share": 1.0, "ages": {"0": 3600.0, "1": 3600.0}}
        it.context.state.put(it.context.name, "arrival", document["id"], document)
    for n, day in enumerate(DAYS[:until]):
        keys = [f"{n}-{key}" for key in range(40)]
        ask(it, keys, day + 12 * HOUR)
        if n in labelled:
            label(it, keys, day + DAY)
    close_pairs(it.context, rollout(it), FIRST + until * DAY + HOUR)


def test_a_block_that_waits_for_labels_is_a_gap(tmp_path: Path) -> None:
    it = tried(tmp_path)
    lived(it, [0, 2, 3])
    assert known_until(it.context, rollout(it), FIRST + 4 * DAY + HOUR) == DAYS[1]


def test_labels_that_come_late_close_the_gap(tmp_path: Path) -> None:
    it = tried(tmp_path)
    lived(it, [0, 2, 3])
    now = FIRST + 5 * DAY
    label(it, [f"1-{key}" for key in range(40)], now)
    close_pairs(it.context, rollout(it), now)
    assert known_until(it.context, rollout(it), now) == now


def test_labels_that_are_given_up_are_no_gap(tmp_path: Path) -> None:
    it = tried(tmp_path)
    lived(it, [0, 2, 3])
    now = DAYS[2] + it.context.spec.data.label.give_up_after
    close_pairs(it.context, rollout(it), now)
    assert known_until(it.context, rollout(it), now) == now


def test_a_day_is_no_gap_once_it_was_read_for_the_last_time_and_not_when_its_labels_are_given_up(
    tmp_path: Path,
) -> None:
    it = tried(tmp_path)
    lived(it, [0, 2, 3])
    given_up = DAYS[2] + it.context.spec.data.label.give_up_after
    label(it, [f"1-{key}" for key in range(10)], given_up - 20 * HOUR)
    close_pairs(it.context, rollout(it), given_up - HOUR)
    assert known_until(it.context, rollout(it), given_up) == DAYS[1]
    close_pairs(it.context, rollout(it), given_up)
    assert known_until(it.context, rollout(it), given_up) == given_up
    found = paired_blocks(it.context, rollout(it))
    assert [block.n for block in found if block.start == DAYS[1]] == [10], "read in the same tick"


def test_a_day_without_requests_is_no_gap(tmp_path: Path) -> None:
    it = tried(tmp_path)
    lived(it, [0, 1], until=2)
    now = FIRST + 4 * DAY
    close_pairs(it.context, rollout(it), now)
    assert known_until(it.context, rollout(it), now) == now


def test_a_day_whose_data_is_at_fault_is_no_gap(tmp_path: Path) -> None:
    it = tried(tmp_path)
    lived(it, [0, 2, 3])
    held = partition("2024-03-02", status="quarantined", reason="ExpectationFailed")
    it.context.state.put(it.context.name, "partition", "2024-03-02", held)
    now = FIRST + 4 * DAY + HOUR
    assert known_until(it.context, rollout(it), now) == now


def test_a_block_that_was_never_looked_at_is_a_gap(tmp_path: Path) -> None:
    it = tried(tmp_path)
    assert known_until(it.context, rollout(it), FIRST + 4 * DAY) == FIRST
