"""Free text is known by its shape, and none of it is kept."""

from __future__ import annotations

import json
from collections import Counter
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.novelty import novelty
from tidemill.stats.summary import Summary, summarize
from tidemill.stats.text import SHOWN, is_free_text, shape_of, shown

WORDS = ["the", "model", "rots", "when", "data", "breaks", "and", "nobody", "looks", "at", "what", "became", "of", "it"]


def articles(rng: np.random.Generator, n: int = 200) -> np.ndarray:
    return np.array([" ".join(rng.choice(WORDS, 12)).capitalize() for _ in range(n)], object)


def test_no_value_of_free_text_is_kept() -> None:
    values = articles(np.random.default_rng(0))
    values[100:] = values[:100]  # each twice: half as many values as rows
    document = json.dumps(summarize({"body": values}).to_dict())
    assert not any(value in document for value in values)


def test_values_that_are_few_or_short_are_categories() -> None:
    assert not is_free_text(Counter({"a long name of a place in the world": 50, "b" * 40: 50}), 20)
    assert not is_free_text(Counter({f"plant {n}": 3 for n in range(60)}), 20)
    assert is_free_text(Counter({f"the plant number {n} was looked at": 3 for n in range(60)}), 20)


def test_a_text_that_is_cut_or_replaced_is_unlike_history() -> None:
    rng = np.random.default_rng(1)
    history = [summarize({"body": articles(rng), "x": rng.normal(size=200)}) for _ in range(60)]

    def unlike(values: np.ndarray) -> bool:
        return novelty(summarize({"body": values, "x": rng.normal(size=200)}), history, 0.01).unlike

    assert not unlike(articles(rng))
    assert unlike(np.array([value[:20] for value in articles(rng)], object))
    assert unlike(np.array([value.upper() for value in articles(rng)], object))
    assert unlike(np.array(["n/a"] * 200, object))


@given(st.dictionaries(st.text(max_size=60), st.integers(1, 9), min_size=1, max_size=40))
def test_shapes_are_finite_and_shares_are_shares(counts: dict[str, int]) -> None:
    shape = shape_of(counts, sum(counts.values()))
    assert shape is not None
    shares = (shape.letters, shape.digits, shape.spaces, shape.upper, shape.top_share, shape.empty_share)
    assert all(0 <= share <= 1 for share in shares)
    assert shape.length >= 0


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_long_name_is_shortened_and_stays_another_than_each_other(one: str, other: str) -> None:
    assert len(shown(one)) <= SHOWN + 20
    assert (shown(one) == shown(other)) == (one == other)


def test_a_summary_of_the_first_version_is_read_without_its_articles() -> None:
    column = {
        "null_share": 0.0,
        "distinct": 30,
        "top": {"an article of some length, which was listed as a category": 0.1},
    }
    kept = {"null_share": 0.0, "distinct": 2, "top": {"EWR": 0.5, "JFK": 0.5}}
    number = {
        "null_share": 0.0,
        "mean": 1.0,
        "sd": 1.0,
        "quantiles": [0, 0, 1, 2, 2],
        "distinct_share": 0.1,
        "top_share": 0.2,
    }
    document = {
        "rows": 10,
        "duplicate_share": 0.0,
        "numeric": {"x": number},
        "categorical": {"body": column, "origin": kept},
    }
    found = Summary.from_dict(document)
    assert found.categorical["body"].top == {}
    assert found.categorical["origin"].top == kept["top"]
    assert Summary.from_dict(found.to_dict()) == found


def test_a_shape_by_hand() -> None:
    """Nine characters, three rows with a value, four rows."""
    shape = shape_of({"Ab 1": 2, " ": 1}, 4)
    assert shape is not None
    assert (shape.length, shape.letters, shape.digits, shape.spaces) == pytest.approx((9 / 3, 4 / 9, 2 / 9, 3 / 9))
    assert (shape.upper, shape.top_share, shape.empty_share) == pytest.approx((2 / 4, 2 / 4, 1 / 4))
    assert shape_of({}, 4) is None


@pytest.mark.parametrize(("value", "kind"), [("A", "letters"), ("7", "digits"), (" ", "spaces"), ("A", "upper")])
def test_a_single_character_is_the_whole_share_of_its_kind(value: str, kind: str) -> None:
    shape = shape_of({value: 1}, 1)
    assert (getattr(shape, kind), shape.top_share, shape.empty_share) == (1, 1, value == " ")


def test_of_a_long_value_the_first_five_hundred_characters_are_looked_at_and_its_whole_length_counts() -> None:
    looked_at, beyond = shape_of({"a" * 499 + "1": 1}, 1), shape_of({"a" * 500 + "1": 1}, 1)
    assert (looked_at.digits, beyond.digits) == (1 / 500, 0)
    assert beyond.length == 501


def test_two_thousand_values_are_looked_at_and_which_ones_does_not_depend_on_their_order() -> None:
    counts = {f"{n}": 1 for n in range(1999)} | {"letters": 1}
    assert shape_of(counts, 2000).letters > 0
    many = {f"{n:05}{'x' * (n % 3)}": 1 for n in range(2500)}
    assert shape_of(many, 2500) == shape_of(dict(reversed(many.items())), 2500)
    sample = sorted(many, key=lambda value: crc32(value.encode()))[:2000]
    assert shape_of(many, 2500).digits == pytest.approx(10_000 / sum(map(len, sample)))


def test_text_is_what_is_long_and_mostly_rare() -> None:
    """24 characters on average, and less than half of the rows are the most common values."""
    assert is_free_text({f"{n:024}": 1 for n in range(41)}, 20)
    assert not is_free_text({f"{n:024}": 1 for n in range(40)}, 20), "half of the rows are listed"
    assert not is_free_text({f"{n:023}": 1 for n in range(41)}, 20)
    assert not is_free_text({f"{n:024}": 1 for n in range(20)}, 20), "all of them are listed"
    common = {f"{n:024}": 1 for n in range(41)} | {"x" * 24: 40}
    assert not is_free_text(common, 20)


def test_a_name_is_shown_whole_up_to_48_characters() -> None:
    assert shown("x" * 48) == "x" * 48
    assert shown("x" * 49) == "x" * 48 + f"... ({crc32(b'x' * 49):08x})"
