"""A suite is judged expectation by expectation, before there is data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tidemill.adapters.expectation_suite import suite_problems

COLUMN = {"column": "carrier"}


def suite(folder: Path, *expectations: Any) -> Path:
    path = folder / "suite.json"
    path.write_text(json.dumps({"expectations": expectations}))
    return path


def test_a_suite_that_the_library_takes_has_no_problem(tmp_path: Path) -> None:
    path = suite(tmp_path, {"type": "expect_column_to_exist", "kwargs": COLUMN, "meta": {"why": "the key"}})
    assert suite_problems(path) == []


@pytest.mark.parametrize(
    ("expectation", "said", "hint"),
    [
        (
            {"type": "expect_column_to_exst", "kwargs": COLUMN},
            "expectation 1: Great Expectations knows no expect_column_to_exst",
            "Did you mean expect_column_to_exist?",
        ),
        (
            {"type": "expect_column_to_exist", "kwargs": {"colum": "carrier"}},
            "expectation 1: expect_column_to_exist: column: field required; colum: extra fields not permitted",
            "Did you mean column?",
        ),
        (
            {"type": "expect_column_values_to_be_between", "kwargs": {**COLUMN, "min_value": "x"}},
            "expectation 1: expect_column_values_to_be_between: min_value: value is not a valid float; "
            "min_value and max_value cannot both be None",
            "",
        ),
        (
            {"type": "expect_column_to_exist", "kwarg": COLUMN},
            "expectation 1: it has no type, or no kwargs",
            'It looks like {"type": ..., "kwargs": {...}}.',
        ),
        (
            {"type": "expect_column_to_exist", "kwargs": COLUMN, "severity": "mild"},
            "expectation 1: expect_column_to_exist: something beside its kwargs is wrong",
            "Leave out what is neither type nor kwargs.",
        ),
        ("expect", "expectation 1: it has no type, or no kwargs", 'It looks like {"type": ..., "kwargs": {...}}.'),
    ],
)
def test_what_is_wrong_is_said_with_the_nearest_right_thing(
    tmp_path: Path, expectation: Any, said: str, hint: str
) -> None:
    assert suite_problems(suite(tmp_path, expectation)) == [(said, hint)]


def test_every_expectation_is_looked_at(tmp_path: Path) -> None:
    wrong = {"type": "expect_miracles", "kwargs": {}}
    found = suite_problems(suite(tmp_path, wrong, {"type": "expect_column_to_exist", "kwargs": COLUMN}, wrong))
    assert found is not None
    assert [message.partition(":")[0] for message, _ in found] == ["expectation 1", "expectation 3"]


def test_without_the_library_nobody_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    assert suite_problems(suite(tmp_path)) is None
