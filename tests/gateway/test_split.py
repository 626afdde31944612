from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.gateway.split import mirrored, split, unit
from tidemill.loop.model import Arm, Role, Route

KEYS = [f"flight-{number}" for number in range(20_000)]


def route(canary: float, version: str = "2") -> Route:
    return Route("delay", (Arm("1", Role.CHAMPION, 1 - canary), Arm(version, Role.CANARY, canary)))


def taken(canary: float, keys: list[str], version: str = "2") -> set[str]:
    return {keys[row] for arm, rows in split(route(canary, version), keys) if arm.role is Role.CANARY for row in rows}


@given(st.lists(st.text(max_size=20), max_size=60), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_key_in_the_canary_stays_there_as_its_weight_grows(keys: list[str], one: float, other: float) -> None:
    assert taken(min(one, other), keys) <= taken(max(one, other), keys)


@given(st.lists(st.text(max_size=20), max_size=60), st.floats(0, 1))
def test_every_row_goes_to_exactly_one_arm(keys: list[str], canary: float) -> None:
    rows = [row for _, part in split(route(canary), keys) for row in part]
    assert sorted(rows) == list(range(len(keys)))


@pytest.mark.parametrize("weight", [0.01, 0.1, 0.5])
def test_the_share_of_keys_is_the_weight(weight: float) -> None:
    assert abs(len(taken(weight, KEYS)) / len(KEYS) - weight) < 0.012


def test_the_next_rollout_draws_other_keys() -> None:
    both = taken(0.1, KEYS, "2") & taken(0.1, KEYS, "3")
    assert abs(len(both) / len(KEYS) - 0.01) < 0.005


def test_a_shadow_answers_nothing() -> None:
    shadowed = Route("delay", (Arm("1", Role.CHAMPION, 1.0), Arm("2", Role.SHADOW, 0.0, 1.0)))
    assert [(arm.version, len(rows)) for arm, rows in split(shadowed, ["a", "b"])] == [("1", 2)]


def test_what_is_mirrored_is_drawn_apart_from_who_answers() -> None:
    canary = taken(0.5, KEYS)
    seen = {KEYS[row] for row in mirrored(Arm("2", Role.CANARY, 0.5, mirror=0.5), KEYS, range(len(KEYS)))}
    assert abs(len(seen & canary) / len(KEYS) - 0.25) < 0.015


@given(st.text(), st.text(max_size=10))
def test_a_draw_is_in_the_unit_interval_and_always_the_same(key: str, salt: str) -> None:
    assert 0 <= unit(key, salt) < 1
    assert unit(key, salt) == unit(key, salt)
