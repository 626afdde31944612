from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.edetector import BETS, detect

values = st.lists(st.floats(-1, 1), max_size=60)


@given(values, values)
def test_larger_values_never_alarm_later(one: list[float], two: list[float]) -> None:
    pairs = list(zip(one, two, strict=False))
    low, high = [min(pair) for pair in pairs], [max(pair) for pair in pairs]
    first_low = next(iter(detect(low, 0.05).alarms), None)
    first_high = next(iter(detect(high, 0.05).alarms), None)
    assert first_low is None or (first_high is not None and first_high <= first_low)


@given(values, st.integers(0, 59))
def test_the_detector_grows_with_each_value_until_its_first_alarm(given_values: list[float], index: int) -> None:
    if index >= len(given_values):
        return
    raised = [1.0 if place == index else value for place, value in enumerate(given_values)]
    before, after = detect(given_values, 1e-9), detect(raised, 1e-9)
    assert all(b <= a * (1 + 1e-9) for b, a in zip(before.values, after.values, strict=True))


@given(values, values)
def test_what_comes_later_does_not_change_what_was_said(past: list[float], future: list[float]) -> None:
    whole, part = detect(past + future, 0.02), detect(past, 0.02)
    assert whole.values[: len(past)] == part.values
    assert tuple(alarm for alarm in whole.alarms if alarm < len(past)) == part.alarms


def test_the_formula_by_hand() -> None:
    first = np.array([1 + bet * 0.5 for bet in BETS])
    second = (first + 1) * np.array([1 - bet * 0.25 for bet in BETS])
    assert detect([0.5, -0.25], 1e-6).values == pytest.approx((first.mean(), second.mean()))


def test_an_alarm_comes_at_one_over_the_rate_and_not_before() -> None:
    """With one bet of 1/2 on ones: 1.5, 3.75, 7.125, ..."""
    reached, missed = (detect([1.0] * 3, 1 / c, bets=(0.5,)) for c in (3.75, 3.76))
    assert (reached.alarms, missed.alarms) == ((1,), (2,))
    assert reached.threshold == pytest.approx(3.75)
    assert reached.values == pytest.approx((1.5, 3.75, 1.5))
    assert detect([0.0], 50.0, bets=(0.5,)).threshold == 1.0
    assert detect([-0.1], 50.0, bets=(0.5,)).alarms == ()


@pytest.mark.parametrize("bets", [(), (0.0,), (1.0,), (0.5, 1.0)])
def test_bets_lie_between_nothing_and_everything(bets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="bets must lie between 0 and 1"):
        detect([], 0.1, bets=bets)


@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_without_a_change_the_average_run_is_at_least_the_declared_one(spread: float) -> None:
    """Mean run length over simulated streams of fair coins, cut at 2000: a lower bound of the true one."""
    rng = np.random.default_rng(11)
    runs = []
    for _ in range(150):
        stream = spread * rng.choice([-1.0, 1.0], size=2000)
        runs.append(next(iter(detect(stream, 1 / 100).alarms), 1999) + 1)
    assert np.mean(runs) >= 100


def test_it_starts_again_after_an_alarm() -> None:
    found = detect([1.0] * 60, 1 / 50)
    assert len(found.alarms) > 3
    assert len(set(np.diff(found.alarms))) == 1


@pytest.mark.parametrize("value", [1.5, -2.0, float("nan")])
def test_an_unbounded_value_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="winsorise"):
        detect([value], 0.01)


def test_an_impossible_rate_or_bet_is_an_error() -> None:
    with pytest.raises(ValueError, match="false_alarms"):
        detect([], 0)
    with pytest.raises(ValueError, match="bets"):
        detect([], 0.1, bets=(1.5,))
