"""Free text is known by its shape, and none of it is kept."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
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
