"""Evidence that needs no label: whose unit is the key."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.operation import (
    TRIP_KEYS,
    Arm,
    Counted,
    Mirrored,
    OperationalBlock,
    failing,
    mirror_harm,
    most_of,
    pair_coverage,
)
from tidemill.stats.sample_ratio import SplitBlock


def tried(failed: float, keys: float = 100, champion: float = 0) -> OperationalBlock:
    return OperationalBlock("12:00", tried=Counted(keys, failed), beside=Counted(keys, champion))


def test_one_bad_batch_trips_nothing_and_two_bad_blocks_in_a_row_do() -> None:
    assert failing([tried(100)]) is None
    assert failing([tried(100), tried(0), tried(100)]) is None
    assert failing([tried(60), tried(55)]) is not None


def test_a_block_of_few_keys_neither_trips_nor_clears() -> None:
    few = tried(0, TRIP_KEYS - 1)
    assert failing([tried(100), few, tried(100)]) is not None
    assert failing([tried(TRIP_KEYS - 1, TRIP_KEYS - 1)] * 5) is None


def test_half_of_the_keys_is_where_it_trips_and_the_champion_must_do_better() -> None:
    assert failing([tried(49)] * 2) is None
    assert failing([tried(50)] * 2) is not None
    assert failing([tried(70, champion=46)] * 2) is None
    assert failing([tried(70, champion=45)] * 2) is not None


def test_a_trip_stands_though_the_challenger_recovers() -> None:
    assert failing([tried(100), tried(100), *[tried(0)] * 50]) is not None


def mirrored(mine: int, other: int) -> OperationalBlock:
    return OperationalBlock("12:00", mirrored=Mirrored(1000, 1000, other, mine))


def test_versions_that_fail_alike_are_told_apart_no_oftener_than_declared() -> None:
    rng = np.random.default_rng(3)
    peaks = []
    for _ in range(400):
        fails = rng.poisson(0.5, (200, 2))
        peaks.append(mirror_harm([mirrored(int(a), int(b)) for a, b in fails]).running_max)
    assert np.mean(np.array(peaks) >= 20) <= 0.05


def test_a_single_block_multiplies_the_evidence_by_eight_at_most() -> None:
    assert mirror_harm([mirrored(500, 0)]).e <= 8 + 1e-9
    assert mirror_harm([mirrored(500, 0)] * 3).e <= 512 + 1e-6


def test_keys_that_fail_the_challenger_alone_are_evidence_and_the_others_speak_for_it() -> None:
    assert mirror_harm([mirrored(3, 0)] * 6).e > 200
    assert mirror_harm([mirrored(0, 3)] * 6).e < 0.1


def test_what_fails_in_one_request_is_one_event() -> None:
    block = OperationalBlock("12:00", challenger=Arm(requests=9, failed_requests=1))
    assert most_of(block) == 2
    assert most_of(OperationalBlock("12:00", challenger=Arm(requests=9, failed_requests=7))) == 8


def test_too_few_requests_say_nothing_of_the_share_of_pairs() -> None:
    block = OperationalBlock("12:00", mirrored=Mirrored(due=60, pairs=30))
    assert pair_coverage([block]) is None
    assert pair_coverage([block, block]) == 0.5


@given(st.floats(0, 50), st.floats(0, 1), st.integers(0, 9))
def test_a_stored_block_is_read_as_it_was(keys: float, share: float, requests: int) -> None:
    counted = Counted(keys, keys * share, 0.0)
    block = OperationalBlock(
        "2024-01-01T00:00:00+00:00", Arm(counted, counted, counted, requests, 0), Arm(), counted, Counted(),
        Mirrored(5, 4, 1, 0, 0.25), (SplitBlock(0.1, 9, 1),),
    )  # fmt: skip
    assert OperationalBlock.from_dict(json.loads(json.dumps(block.to_dict()))) == block


def test_evidence_of_failures_in_the_shadow_by_hand() -> None:
    """The mean of a bet on 70 % and one on 95 %, block by block: half of the keys would be chance."""
    path = mirror_harm([mirrored(1, 0), mirrored(0, 1), mirrored(1, 1), mirrored(0, 0)]).path
    factors = [(1.4 + 1.9) / 2, (0.6 + 0.1) / 2, (1.4 * 0.6 + 1.9 * 0.1) / 2, 1.0]
    np.testing.assert_allclose(path, np.cumprod(factors))
    assert mirror_harm([]).e == 1


def test_the_most_that_a_block_may_add_is_reached_and_beyond_doubt_stays_finite() -> None:
    np.testing.assert_allclose(mirror_harm([mirrored(500, 0)] * 2).path, [8, 64])
    assert np.isfinite(mirror_harm([mirrored(500, 0)] * 1000).e)


def test_a_block_of_ten_keys_trips() -> None:
    assert failing([tried(10, 10), tried(10, 10)]) is not None
    assert failing([tried(9, 9), tried(9, 9)]) is None


def test_the_first_two_blocks_in_a_row_are_told() -> None:
    first, second, later = (
        OperationalBlock(name, tried=Counted(100, 80), beside=Counted()) for name in ("12:00", "12:05", "12:10")
    )
    assert failing([first, second, later]) == (first, second)


def test_a_champion_that_answered_nothing_meanwhile_failed_nothing() -> None:
    alone = OperationalBlock("12:00", tried=Counted(100, 50), beside=Counted(0, 0))
    assert failing([alone, alone]) is not None


def test_each_failed_request_may_double_the_evidence_up_to_eight() -> None:
    at = [most_of(OperationalBlock("12:00", challenger=Arm(requests=9, failed_requests=n))) for n in range(6)]
    assert at == [2, 2, 4, 8, 8, 8]


def test_a_hundred_requests_tell_the_share_of_pairs() -> None:
    block = lambda due, pairs: OperationalBlock("12:00", mirrored=Mirrored(due=due, pairs=pairs))  # noqa: E731
    assert pair_coverage([block(99, 99)]) is None
    assert pair_coverage([block(100, 80)]) == 0.8
    assert pair_coverage([block(60, 60), block(140, 20)]) == 0.4
    assert pair_coverage([]) is None


def test_what_was_never_counted_is_nothing() -> None:
    empty = OperationalBlock("12:00")
    assert (empty.tried, empty.champion, empty.split) == (
        Counted(0, 0, 0),
        Arm(Counted(), Counted(), Counted(), 0, 0),
        (),
    )
    assert empty.mirrored == Mirrored(0, 0, 0, 0, None)
