from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tidemill.adapters.great_expectations import GreatExpectationsValidator
from tidemill.loop.errors import TidemillError

FRAME = pd.DataFrame({"carrier": ["UA", "DL", "XX"], "distance": [100.0, 200.0, None], "id": ["a", "b", "c"]})


@pytest.fixture(scope="module")
def validator() -> GreatExpectationsValidator:
    return GreatExpectationsValidator()


def suite(folder: Path, *expectations: dict[str, Any]) -> str:
    path = folder / "suite.json"
    path.write_text(json.dumps({"name": "s", "expectations": list(expectations)}))
    return str(path)


def expect(type: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": type, "kwargs": kwargs}


def test_what_holds_is_silent(validator: GreatExpectationsValidator, tmp_path: Path) -> None:
    path = suite(tmp_path, expect("expect_column_values_to_be_unique", column="id"))
    assert validator.failures(FRAME, path) == []


def test_what_does_not_hold_is_a_sentence_with_column_bound_share_and_example(
    validator: GreatExpectationsValidator, tmp_path: Path
) -> None:
    path = suite(
        tmp_path,
        expect("expect_column_values_to_be_in_set", column="carrier", value_set=["UA", "DL"]),
        expect("expect_column_values_to_not_be_null", column="distance"),
        expect("expect_table_row_count_to_be_between", min_value=10),
    )
    wrong_set, null, count = validator.failures(FRAME, path)
    assert wrong_set.startswith("carrier: column_values_to_be_in_set (value_set ['UA', 'DL']")
    assert wrong_set.endswith("33.3% of the rows do not, such as XX")
    assert null.startswith("distance: column_values_to_not_be_null")
    assert count.startswith("table: table_row_count_to_be_between (min_value 10")
    assert count.endswith("it is 3")


def test_a_days_row_count_does_not_apply_to_many_days(validator: GreatExpectationsValidator, tmp_path: Path) -> None:
    path = suite(tmp_path, expect("expect_table_row_count_to_be_between", min_value=10))
    assert len(validator.failures(FRAME, path)) == 1
    assert validator.failures(FRAME, path, per_partition=False) == []


def test_a_missing_column_fails_and_says_so(validator: GreatExpectationsValidator, tmp_path: Path) -> None:
    path = suite(tmp_path, expect("expect_column_values_to_be_between", column="gone", min_value=0))
    (failure,) = validator.failures(FRAME, path)
    assert failure.startswith("gone: expect_column_values_to_be_between could not be evaluated")
    assert '"gone"' in failure


def test_an_empty_day_is_validated_like_any_other(validator: GreatExpectationsValidator, tmp_path: Path) -> None:
    path = suite(tmp_path, expect("expect_table_row_count_to_be_between", min_value=1))
    assert len(validator.failures(FRAME.head(0), path)) == 1


def test_a_suite_that_was_edited_is_read_again(validator: GreatExpectationsValidator, tmp_path: Path) -> None:
    path = suite(tmp_path, expect("expect_table_row_count_to_be_between", min_value=10))
    assert validator.failures(FRAME, path)
    suite(tmp_path, expect("expect_table_row_count_to_be_between", min_value=1))
    os.utime(path, ns=(1, 1))
    assert validator.failures(FRAME, path) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no Great Expectations 1.x suite"),
        ("{}", "is no Great Expectations 1.x suite"),
        ('{"expectations": [{"type": "expect_miracles", "kwargs": {}}]}', "does not know: expect_miracles"),
        ('{"expectations": [{"type": "expect_column_values_to_be_unique", "kwargs": {"colunm": "a"}}]}', "colunm"),
    ],
)
def test_a_suite_that_is_none_is_named(
    validator: GreatExpectationsValidator, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "suite.json"
    path.write_text(text)
    with pytest.raises(TidemillError, match=said) as refusal:
        validator.failures(FRAME, str(path))
    assert str(path) in str(refusal.value)


def test_a_suite_that_is_not_there_is_named(validator: GreatExpectationsValidator, tmp_path: Path) -> None:
    with pytest.raises(TidemillError, match=r"no expectation suite at .*gone\.json: correct data\.expectations"):
        validator.failures(FRAME, str(tmp_path / "gone.json"))


def test_a_pair_of_columns_is_named(validator: GreatExpectationsValidator, tmp_path: Path) -> None:
    kwargs = {"column_A": "low", "column_B": "high"}
    path = suite(tmp_path, expect("expect_column_pair_values_a_to_be_greater_than_b", **kwargs))
    (failure,) = validator.failures(pd.DataFrame({"low": [1.0, 2.0], "high": [3.0, 1.0]}), path)
    assert failure.startswith("low, high: column_pair_values_a_to_be_greater_than_b; 50.0% of the rows do not")
