"""The champion is measured against what it promised, and the promise is an estimate."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.performance import CAUTIOUS, PerformanceBlock, performance
from tidemill.decisions.verdict import Reason
from tidemill.stats.daily import Noise
from tidemill.stats.edetector import detect
from tidemill.stats.persistence import inflation, learn, long_run
from tidemill.stats.scores import entropy_rows, log_loss_rows

YEARLY = 1 / 365.25
EXACT = Noise(0.0, 7)


def blocks(rng: np.random.Generator, days: int, wrong_by: float = 0.0, rows: int = 900) -> list[PerformanceBlock]:
    """A model whose promises are true for base rates from easy to hard, but whose logit is wrong by so much."""
    found = []
    for day in range(days):
        truth = np.clip(rng.beta(2, 6, rows) * rng.uniform(0.3, 2.0), 0.001, 0.95)
        label = rng.random(rows) < truth
        logit = np.log(truth / (1 - truth)) - wrong_by
        p = 1 / (1 + np.exp(-logit))
        loss, promised = log_loss_rows(p, label).mean(), entropy_rows(p).mean()
        found.append(PerformanceBlock(f"day{day:03d}", rows, float(loss), float(promised)))
    return found


def test_a_calibrated_model_is_left_alone_on_easy_and_hard_days() -> None:
    rng = np.random.default_rng(1)
    alarms = [performance(blocks(rng, 365), 0.01, YEARLY, EXACT) for _ in range(15)]
    assert sum(map(len, alarms)) <= 1  # it is better than its promise plus the tolerance, so far fewer than 1 a year


def served(excess: np.ndarray, promised: float = 0.0) -> list[PerformanceBlock]:
    return [PerformanceBlock(f"{day}", 900, 0.4 + float(x), 0.4 + promised) for day, x in enumerate(excess)]


def first(found: list) -> float:
    return int(found[0].evidence["until"]) if found else np.inf


def spells(rng: np.random.Generator, days: int, phi: float, sd: float) -> np.ndarray:
    x = rng.standard_normal(days)
    for day in range(1, days):
        x[day] = phi * x[day - 1] + np.sqrt(1 - phi**2) * x[day]
    return sd * x


@pytest.mark.parametrize(("loss", "at_most"), [(0.05, 25), (0.1, 16)])
def test_a_lasting_loss_is_seen_in_weeks(loss: float, at_most: int) -> None:
    rng = np.random.default_rng(2)
    delays = []
    for _ in range(40):
        excess = rng.normal(0, 0.03, 67 + 60)
        excess[67:] += loss
        promise = Noise(float(excess[:7].std(ddof=1) / np.sqrt(7)), 7)
        delays.append(first(performance(served(excess[7:], excess[:7].mean()), 0.01, YEARLY, promise)) - 60)
    assert np.median(delays) <= at_most


def test_a_model_that_underrates_is_seen_and_its_excess_is_told() -> None:
    found = performance(blocks(np.random.default_rng(3), 60, wrong_by=0.8), 0.01, YEARLY, EXACT)
    assert found[0].kind is Reason.PERFORMANCE
    assert found[0].id == f"performance-{found[0].evidence['until']}"
    assert found[0].evidence["recent_excess"] > 0.03
    assert f"lost {found[0].evidence['recent_excess']:.3f} a row more than it promised" in found[0].message
    json.dumps([signal.to_dict() for signal in found])


def test_what_is_told_is_the_fortnight_before_the_alarm_and_nothing_from_before_the_last_one() -> None:
    days = served(np.arange(300) / 1000)
    found = performance(days, 0.01, YEARLY, EXACT)
    until = [int(signal.evidence["until"]) for signal in found]
    assert found[0].evidence["since"] == "0"
    assert found[0].evidence["recent_partitions"] == 14
    assert found[0].evidence["recent_excess"] == pytest.approx((until[0] - 6.5) / 1000)
    assert found[1].evidence["since"] == str(until[0] + 1)
    assert found[1].evidence["recent_partitions"] == min(14, until[1] - until[0])


# the promise is an estimate


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_the_declared_rate_holds_where_the_promise_is_a_week_and_bad_days_come_in_spells(phi: float) -> None:
    """40 years, each with four champions that are all equally good."""
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(40):
        x = spells(rng, 30 + 365, phi, 0.05)
        for since in range(30, 395, 91):
            held_out = x[since - 20 : since - 13]
            promise = Noise(float(held_out.std(ddof=1) / np.sqrt(7)), 7)
            own = served(x[since : since + 91], float(held_out.mean()))
            alarms += len(performance(own, 0.01, YEARLY, promise, served(x[:since])))
    assert alarms / 40 <= 1


def test_the_less_is_known_of_the_promise_the_later_it_is_doubted() -> None:
    excess = np.full(60, 0.06)
    delays = [first(performance(served(excess), 0.01, YEARLY, Noise(error, 7))) for error in (0.0, 0.005, 0.01, 0.02)]
    assert delays == sorted(delays)
    assert len(set(delays)) == 4


def test_an_error_of_fewer_days_is_larger() -> None:
    excess = np.full(200, 0.06)
    few, many = (performance(served(excess), 0.01, YEARLY, Noise(0.01, days)) for days in (3, 28))
    assert first(few) > first(many)
    assert few[0].evidence["doubt"] > many[0].evidence["doubt"]


def test_a_promise_whose_error_was_never_measured_gets_a_cautious_one() -> None:
    excess = np.full(60, 0.09)
    unknown, cautious = performance(served(excess), 0.01, YEARLY), performance(served(excess), 0.01, YEARLY, CAUTIOUS)
    assert unknown == cautious != []
    assert performance(served(excess), 0.01, YEARLY, Noise(0.0, 1)) == cautious  # an error of a single day is none
    assert cautious[0].evidence["doubt"] > 0.02


def test_the_rarer_a_false_alarm_may_be_the_surer_the_bound() -> None:
    """A champion in four is worse than its bound at one a year, one in two at three a year and more."""
    day = [PerformanceBlock("0", 900, 1.0, 0.0)] * 400
    doubts = [performance(day, 0.01, rate * YEARLY, Noise(0.01, 7))[0].evidence["doubt"] for rate in (4, 2, 1, 0.2)]
    assert doubts == sorted(doubts)
    assert doubts[0] == 0


def test_of_champions_of_91_days_as_many_may_be_worse_than_their_bound_as_false_alarms_are_allowed() -> None:
    signal = performance(served(np.full(40, 1.0)), 0.01, 1 / 200, Noise(0.01, 7))[0]
    phi = learn(np.full(40, 1.0)).phi[int(signal.evidence["until"])]
    expected = Noise(0.01, 7).bound(1 - 91 / 200) * np.sqrt(inflation(np.array([phi]), 7)[0])
    assert signal.evidence["doubt"] == pytest.approx(expected)


def test_served_days_confirm_the_promise_and_take_its_doubt_away() -> None:
    """The same loss is seen sooner by a champion that kept its promise for half a year."""
    noise = np.random.default_rng(5).normal(0, 0.02, 400)
    new, proven = noise[:220].copy(), noise[:400].copy()
    new[:] += 0.05
    proven[180:] += 0.05
    promise = Noise(0.02, 7)
    assert first(performance(served(proven), 0.01, YEARLY, promise)) - 180 < first(
        performance(served(new), 0.01, YEARLY, promise)
    )


def test_a_champion_that_was_better_for_a_while_is_not_held_to_it() -> None:
    x = np.random.default_rng(6).normal(0, 0.01, 300)
    x[:150] -= 0.05
    assert performance(served(x), 0.01, YEARLY, Noise(0.01, 7)) == []


@pytest.mark.parametrize(("days", "confirmed"), [(13, False), (14, True)])
def test_two_weeks_of_serving_confirm_a_promise_and_less_do_not(days: int, confirmed: bool) -> None:
    """After them come terrible days, which confirm nothing."""
    found = performance(served(np.repeat([-0.05, 1.0], [days, 120])), 0.2, 1 / 200, Noise(0.2, 7))
    assert (found[0].evidence["doubt"] == 0) == confirmed


def test_days_of_earlier_champions_tell_how_days_hang_together() -> None:
    rng = np.random.default_rng(7)
    before_calm, before_spells = served(spells(rng, 200, 0.0, 0.03)), served(spells(rng, 200, 0.8, 0.03))
    loss = served(rng.normal(0.06, 0.03, 90))
    calm, stormy = (performance(loss, 0.01, YEARLY, Noise(0.005, 7), before) for before in (before_calm, before_spells))
    assert first(calm) < first(stormy)


def test_a_loss_counts_from_the_tolerance_on() -> None:
    assert performance(served(np.full(300, 0.0099)), 0.01, YEARLY, EXACT) == []
    assert performance(served(np.full(300, 0.02)), 0.01, YEARLY, EXACT) != []
    assert performance(served(np.full(300, 0.02)), 0.02, YEARLY, EXACT) == []


def test_a_wider_tolerance_has_a_wider_scale() -> None:
    """A day counts up to five tolerances: at .01 a loss of .3 is no more than one of .06, at .1 it is."""
    at = [[first(performance(served(np.full(99, x)), tol, YEARLY, EXACT)) for x in (0.4, 0.7)] for tol in (0.01, 0.1)]
    assert at[0][0] == at[0][1]
    assert at[1][0] > at[1][1]


def test_one_terrible_day_is_no_alarm() -> None:
    quiet = [PerformanceBlock(f"{d}", 900, 0.4, 0.4) for d in range(30)]
    assert performance([*quiet, PerformanceBlock("30", 900, 4.0, 0.4), *quiet], 0.01, YEARLY, EXACT) == []


def test_days_without_outcomes_say_nothing() -> None:
    empty = [PerformanceBlock(f"{d}", 0, float("nan"), float("nan")) for d in range(100)]
    assert performance(empty, 0.0, YEARLY) == performance([], 0.01, YEARLY) == []
    lossy = served(np.full(60, 0.2))
    among = [day for pair in zip(lossy, empty, strict=False) for day in pair]
    assert performance(among, 0.01, YEARLY, EXACT, empty) == performance(lossy, 0.01, YEARLY, EXACT)


@given(st.lists(st.floats(0, 4), max_size=60), st.integers(0, 60))
def test_signals_have_unique_ids_and_the_past_does_not_change(losses: list[float], cut: int) -> None:
    days = [PerformanceBlock(f"{d}", 10, loss, 0.3) for d, loss in enumerate(losses)]
    whole = [signal.id for signal in performance(days, 0.01, 1 / 30, EXACT)]
    assert len(set(whole)) == len(whole)
    part = [signal.id for signal in performance(days[:cut], 0.01, 1 / 30, EXACT)]
    assert whole[: len(part)] == part


def test_the_formula_by_hand() -> None:
    """Day by day: the bound of the promise, that of the served days from the 15th on, and what the e-detector sees."""
    rng = np.random.default_rng(10)
    x, before = spells(rng, 200, 0.5, 0.03), spells(rng, 50, 0.3, 0.03)
    x[60:] += 0.15
    promise, tolerance, rate = Noise(0.01, 5), 0.02, 1 / 200
    learnt = learn(np.clip(np.concatenate([before, x]) / 0.1, -1, 1))
    bound = promise.bound(1 - 91 / 200)
    values, doubts, lowest = [], [], np.inf
    for day in range(200):
        phi = learnt.phi[50 + day]
        if day >= 14:
            kept = np.clip(x[:day], -0.1, 0.1)
            spread = np.sqrt(float(long_run(phi)) * learnt.variance[50 + day] * 0.1**2 / day)
            lowest = min(lowest, kept.mean() + 2 * spread)
        doubts.append(max(0.0, min(bound * np.sqrt(float(inflation(np.array([phi]), 5)[0])), lowest)))
        today, yesterday = (np.clip((x[max(d, 0)] - doubts[-1] - 0.02) / 0.1, -1, 1) for d in (day, day - 1))
        values.append((today - phi * yesterday) / (1 + phi))
    expected = detect(values, rate).alarms
    found = performance(served(x), tolerance, rate, promise, served(before))
    assert [int(signal.evidence["until"]) for signal in found] == list(expected)
    assert len(expected) > 1
    assert [signal.evidence["doubt"] for signal in found] == pytest.approx([doubts[day] for day in expected])
