from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.novelty import FORGET, STEP, WARM_UP, caution_after, conformal_threshold, distances, novelty
from tidemill.stats.partition_table import PartitionTable
from tidemill.stats.summary import Summary, summarize

Columns = dict[str, np.ndarray]


def good_day(rng: np.random.Generator, season: float = 0.0) -> Columns:
    """Weather that is one draw a day, rain on some days only, a clock, categories that wander."""
    n = int(600 * np.exp(rng.normal(0, 0.06)))
    weather, wet = rng.normal(season, 1), rng.random() < 0.3
    carriers = rng.choice(np.array(list("ABCDEFGH"), object), n, p=rng.dirichlet(np.full(8, 100.0)))
    return {
        "temperature": rng.normal(weather, 1, n),
        "price": rng.lognormal(0, 1, n),
        "rain": np.where(rng.random(n) < 0.3, rng.exponential(1.0, n), 0.0) * wet,
        "hour": rng.triangular(0, 8, 24, n),
        "carrier": carriers,
        "key": np.array([f"{k:x}" for k in rng.integers(1 << 60, size=n)], object),
    }


@lru_cache
def history(seed: int = 0, n: int = 60) -> tuple[Summary, ...]:
    rng = np.random.default_rng(seed)
    return tuple(summarize(good_day(rng)) for _ in range(n))


def truncated(day: Columns) -> Columns:
    return {name: values[: int(0.4 * len(values))] for name, values in day.items()}


def duplicated(day: Columns) -> Columns:
    return {name: np.concatenate([values, values[: len(values) // 5]]) for name, values in day.items()}


FAULTS = {
    "stuck sensor": lambda day: day | {"temperature": np.full_like(day["temperature"], day["temperature"][0])},
    "shifted clock": lambda day: day | {"hour": (day["hour"] + 3) % 24},
    "truncated day": truncated,
    "duplicated rows": duplicated,
    "unit change": lambda day: day | {"price": day["price"] * 1.6},
    "nulls": lambda day: day | {"price": np.where(np.arange(len(day["price"])) % 3 == 0, np.nan, day["price"])},
    "wrong spelling": lambda day: (
        day | {"carrier": np.where(day["carrier"] == "A", "a", day["carrier"]).astype(object)}
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_one_broken_column_among_good_ones_is_seen(kind: str) -> None:
    caught = [
        novelty(summarize(FAULTS[kind](good_day(np.random.default_rng(seed)))), history(), 0.01).unlike
        for seed in range(100, 110)
    ]
    assert sum(caught) >= 9


def test_the_column_that_moved_most_is_named_first() -> None:
    day = FAULTS["stuck sensor"](good_day(np.random.default_rng(100)))
    moved = novelty(summarize(day), history(), 0.01).moved[0]
    assert (moved.column, moved.statistic) in {("temperature", "sd"), ("temperature", "share of the most common value")}


def test_many_columns_that_move_a_little_are_seen_together() -> None:
    """None of twenty columns leaves its own range by much; all at once they never moved."""
    rng = np.random.default_rng(4)

    def day(shift: float) -> Summary:
        return summarize({f"x{i}": rng.normal(rng.normal(shift, 0.5), 1, 300) for i in range(20)})

    before = [day(0) for _ in range(60)]
    found = [novelty(day(1.0), before, 0.01) for _ in range(5)]
    assert all(each.distance > each.distance_threshold for each in found)


def test_good_days_are_held_back_at_about_the_declared_rate_at_most() -> None:
    held = [
        novelty(summarize(good_day(np.random.default_rng(1000 + 50 * seed + n))), history(seed), 0.05).unlike
        for seed in range(6)
        for n in range(25)
    ]
    assert np.mean(held) <= 0.08  # 150 days: 0.05 and two standard errors, days of one history being correlated


def test_a_slow_season_holds_back_few_good_days() -> None:
    rng = np.random.default_rng(9)
    year = [summarize(good_day(rng, season=3 * np.sin(2 * np.pi * day / 365))) for day in range(150)]
    held = [novelty(year[day], year[:day], 0.01).unlike for day in range(60, 150, 2)]
    assert np.mean(held) <= 0.05


def test_one_fault_that_slipped_into_history_does_not_blind_the_gate() -> None:
    rng = np.random.default_rng(100)
    stuck = summarize(FAULTS["stuck sensor"](good_day(rng)))
    before = [*history()[:50], stuck, *history()[50:]]
    assert novelty(summarize(FAULTS["stuck sensor"](good_day(rng))), before, 0.01).unlike


def test_a_constant_column_that_changes_counts_as_large_and_bounded() -> None:
    rng = np.random.default_rng(5)
    before = [summarize({"x": np.full(100, 5.0), "y": rng.normal(size=100)}) for _ in range(40)]
    found = novelty(summarize({"x": np.full(100, 6.0), "y": rng.normal(size=100)}), before, 0.01)
    assert found.unlike
    assert found.moved[0].column == "x"
    assert np.isfinite(found.excess)


def test_a_column_that_is_all_null_is_seen_by_its_null_share() -> None:
    day = good_day(np.random.default_rng(100))
    found = novelty(summarize(day | {"hour": np.full(len(day["hour"]), np.nan)}), history(), 0.01)
    assert found.unlike
    assert (found.moved[0].column, found.moved[0].statistic) == ("hour", "null share")


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_exchangeable_scores_exceed_their_conformal_threshold_at_the_declared_share(share: float) -> None:
    rng = np.random.default_rng(6)
    drawn = rng.exponential(size=(4000, 41))
    exceeded = [row[-1] > conformal_threshold(row[:-1], share) for row in drawn]
    assert np.mean(exceeded) <= share + 2 * np.sqrt(share / 4000)


def test_below_the_resolution_an_exponential_tail_is_continued() -> None:
    rng = np.random.default_rng(7)
    drawn = rng.exponential(size=(4000, 41))
    exceeded = [row[-1] > conformal_threshold(row[:-1], 0.005) for row in drawn]
    assert np.mean(exceeded) <= 0.01  # the 1 / 41 of any distribution-free rule is .024; no guarantee of .005


def test_scores_of_history_are_those_on_arrival() -> None:
    """What was seen later changes neighbours of later partitions only."""
    short, long = distances(history()[:40]), distances(history()[:41])
    assert len(long) == len(short) + 1 == 41 - WARM_UP - 1


def test_too_little_history_is_an_error() -> None:
    with pytest.raises(ValueError, match="too little history"):
        novelty(history()[0], history()[:WARM_UP], 0.01)
    with pytest.raises(ValueError, match="false_alarms"):
        novelty(history()[0], history(), 0.0)


@pytest.mark.parametrize("sentinel", [-1.7e308, 1e300, np.inf, -999999.0])
def test_one_sentinel_a_day_blinds_no_column(sentinel: float) -> None:
    rng = np.random.default_rng(11)

    def day(shift: float = 0.0) -> Summary:
        found = {"x": rng.normal(size=300), "y": rng.normal(shift, 1, 300)}
        if rng.random() < 0.5:
            found["x"][rng.integers(300)] = sentinel
        return summarize(found)

    history = [day() for _ in range(60)]
    assert sum(novelty(day(), history, 0.01).unlike for _ in range(20)) <= 2
    assert novelty(day(shift=1.0), history, 0.01).unlike
    moved = novelty(summarize({"x": rng.normal(1, 1, 300), "y": rng.normal(size=300)}), history, 0.01)
    assert moved.unlike and moved.moved[0].column == "x"


def test_a_trend_holds_back_no_more_than_declared_while_what_is_held_back_is_no_reference() -> None:
    """Closed loop: each verdict decides what the next partition is compared with."""
    rng = np.random.default_rng(12)
    seen: list[Summary] = []
    held: list[bool] = []
    for n in range(220):
        columns = {f"x{i}": rng.normal(0.02 * n * (i % 3 == 0), 1, 300) for i in range(8)}
        partition = summarize(columns)
        held.append(len(seen) >= 30 and novelty(partition, seen, 0.01, held).unlike)
        seen.append(partition)
    assert sum(held) <= 0.02 * 190


def test_a_held_partition_makes_the_gate_more_cautious_for_a_while() -> None:
    once = [False] * 50 + [True]
    assert caution_after(once, 0.01) == STEP
    assert 0 < caution_after([*once, *[False] * 20], 0.01) < STEP
    assert caution_after([*once, *[False] * 60], 0.01) == 0


@given(st.lists(st.booleans(), max_size=80), st.floats(0.001, 0.5))
def test_held_partitions_are_bounded_by_what_is_forgotten(held: list[bool], rate: float) -> None:
    """Each partition held adds STEP and each other one takes FORGET * rate * STEP: so many fit below a caution."""
    assert sum(held) <= caution_after(held, rate) / STEP + FORGET * rate * len(held) + 1e-9


def test_while_a_change_lasts_it_is_no_history() -> None:
    rng = np.random.default_rng(13)
    before = [summarize({"x": rng.normal(size=200)}) for _ in range(60)]
    changed = [summarize({"x": rng.normal(3, 1, 200)}) for _ in range(12)]
    held = [False] * 60 + [True] * 11
    assert novelty(changed[11], [*before, *changed[:11]], 0.01, held).unlike
    assert not novelty(changed[11], [*before, *changed[:11]], 0.01).unlike


def test_few_scores_say_which_rate_they_can_show() -> None:
    found = novelty(history()[40], history()[:40], 0.01)
    assert found.resolves == pytest.approx(2 / (found.calibrated_on + 1))
    assert found.resolves > 0.05


def ordered(n: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.arange(1.0, n + 1))


@pytest.mark.parametrize(("n", "share", "rank"), [(99, 0.05, 95), (19, 0.05, 19), (100, 0.1, 91), (9, 0.5, 5)])
def test_the_threshold_is_a_score_of_history_where_there_are_enough(n: int, share: float, rank: int) -> None:
    """The ceil((n + 1)(1 - share))-th smallest."""
    assert conformal_threshold(ordered(n), share) == rank


def test_a_tail_is_fitted_where_there_are_too_few_scores_by_hand() -> None:
    """Of 1 to 10 the largest fifth begins at 8.2: excesses of .8 and 1.8, of which the median is 1.3."""
    scale = 1.3 / np.log(2)
    expected = 8.2 + scale * 2 * ((0.2 / 0.01) ** 0.5 - 1)
    assert conformal_threshold(ordered(10), 0.01) == pytest.approx(expected)
    assert conformal_threshold(ordered(10), 0.01, caution=2.0) == pytest.approx(expected + 2 * scale)
    assert conformal_threshold(ordered(10), 0.5, caution=2.0) == pytest.approx(6 + 2 * scale)
    assert conformal_threshold(ordered(18), 0.05) != 18, "(18 + 1) .95 is more than 18"


def test_a_fitted_threshold_is_never_below_the_second_largest_score() -> None:
    scores = np.array([*[0.0] * 20, 0.01, 0.01, 0.01, 5.0, 9.0])
    assert conformal_threshold(scores, 0.03) == 5
    assert conformal_threshold(np.array([3.0]), 0.01) == 3
    assert conformal_threshold(np.full(10, 3.0), 0.01, caution=4.0) == 3


def test_a_share_larger_than_the_tail_is_read_off_at_its_foot() -> None:
    assert conformal_threshold(np.array([0.0, 10.0]), 0.3) == pytest.approx(8)


@lru_cache
def short(seed: int) -> Summary:
    return summarize({"x": np.random.default_rng(seed).normal(size=20)})


@pytest.mark.parametrize(("n", "scores"), [(16, 1), (20, 5), (40, 25), (80, 60), (100, 60), (150, 75), (400, 183)])
def test_thresholds_are_of_the_later_half_of_a_year_and_of_sixty_scores_where_there_are(n: int, scores: int) -> None:
    found = novelty(short(-1 % 1000), [short(seed) for seed in range(n)], 0.01)
    assert found.calibrated_on == scores
    assert found.resolves == min(2 / (scores + 1), 1)


def test_each_threshold_is_what_half_the_share_of_the_scores_on_arrival_exceeded() -> None:
    past, new = [short(seed) for seed in range(120)], short(999)
    found = novelty(new, past, 0.2)
    table = PartitionTable(past, new, np.zeros(120, dtype=bool))
    far, high = table.distances(), table.excesses().max(axis=1)
    assert (found.distance, found.excess) == (far[-1], high[-1])
    assert found.distance_threshold == conformal_threshold(far[60:-1], 0.1)
    assert found.excess_threshold == conformal_threshold(high[60:-1], 0.1)
    assert distances([*past, new])[-1] == pytest.approx(found.distance)


def test_either_distance_alone_makes_a_partition_unlike_history() -> None:
    far, high = [], []
    past = [short(seed) for seed in range(60)]
    for seed in range(1000, 1150):
        found = novelty(short(seed), past, 0.4)
        assert found.unlike == (found.distance > found.distance_threshold or found.excess > found.excess_threshold)
        far.append(found.distance > found.distance_threshold)
        high.append(found.excess > found.excess_threshold)
    assert any(a and not b for a, b in zip(far, high, strict=True))
    assert any(b and not a for a, b in zip(far, high, strict=True))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_rate_of_false_alarms_is_a_share_within_nothing_and_everything(share: float) -> None:
    with pytest.raises(ValueError, match="false_alarms"):
        novelty(history()[0], history(), share)


def test_caution_by_hand() -> None:
    """Two for each that is held; at 1 % a fiftieth of that is given back with each that is not, down to nothing."""
    assert caution_after([True, False], 0.01) == pytest.approx(2 - 0.04)
    assert caution_after([True, True, False, False], 0.01) == pytest.approx(4 - 0.08)
    assert caution_after([False, True], 0.01) == caution_after([False] * 9 + [True], 0.01) == 2
    assert caution_after([True] + [False] * 51 + [True], 0.01) == 2


def test_what_was_held_back_raises_the_thresholds_once_it_is_over() -> None:
    past = [short(seed) for seed in range(60)]
    held = [False] * 50 + [True] + [False] * 9
    plain, cautious = novelty(short(999), past, 0.01), novelty(short(999), past, 0.01, held)
    assert cautious.distance_threshold > plain.distance_threshold
    just_now = novelty(short(999), [*past, short(998)], 0.01, [False] * 60 + [True])
    assert just_now.distance_threshold == plain.distance_threshold, "no part of history before it is over"


def test_as_many_columns_are_named_as_asked_for() -> None:
    rng = np.random.default_rng(3)
    past = [summarize({f"x{i}": rng.normal(size=30) for i in range(25)}) for _ in range(30)]
    moved = summarize({f"x{i}": rng.normal(9, 1, 30) for i in range(25)})
    assert len(novelty(moved, past, 0.01).moved) == 20
    assert len(novelty(moved, past, 0.01, named=3).moved) == 3


def test_a_first_score_has_the_warm_up_and_one_more_before_it() -> None:
    assert distances([short(seed) for seed in range(16)]) == []
    assert len(distances([short(seed) for seed in range(17)])) == 1
