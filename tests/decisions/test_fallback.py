"""Who answers when an arm cannot."""

from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.fallback import chain

versions = st.lists(st.sampled_from(["1", "2", "3", "baseline"]))


@given(st.sampled_from(["1", "2", "9"]), versions)
def test_the_arm_comes_first_and_nobody_is_asked_twice(arm: str, fallback: list[str]) -> None:
    order = chain(arm, fallback)
    assert order[0] == arm
    assert len(set(order)) == len(order)
    assert set(order) == {arm, *fallback}


def test_the_order_of_the_fallbacks_stays() -> None:
    assert chain("7", ["6", "7", "baseline", "6"]) == ("7", "6", "baseline")
