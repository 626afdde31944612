from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tidemill.cli.main import cli


def validate(*args: str) -> Result:
    return CliRunner().invoke(cli, ["validate", *args])


def spoil(shop: Path, old: str, new: str) -> None:
    path = shop / "loop.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_valid_project_is_said_to_be(shop: Path) -> None:
    for args in ((), ("loop.yaml",), (".",)):
        result = validate(*args)
        assert (result.exit_code, result.output) == (0, "loop.yaml: the ModelLoop shop is valid.\n")


def test_a_problem_ends_with_2_and_names_the_nearest_right_thing(shop: Path) -> None:
    spoil(shop, "growth:", "growht:")
    result = validate()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: loop.yaml:")
    assert result.stderr.endswith(": spec.triggers.newData.growht: unknown field. Did you mean growth?\n")


def test_a_kind_with_a_wrong_letter_is_said_to_be_one_in_its_folder_too(shop: Path) -> None:
    spoil(shop, "kind: ModelLoop", "kind: ModelLop")
    for args in (("loop.yaml",), ()):
        result = validate(*args)
        assert (result.exit_code, "Did you mean ModelLoop?" in result.stderr) == (2, True), result.stderr


def test_a_trainer_that_does_not_import_is_a_problem(shop: Path) -> None:
    spoil(shop, "trainer: model:train ", "trainer: model:trian ")
    assert "spec.model.trainer: model has no trian. Did you mean model:train?" in validate().stderr
    assert validate("--no-imports").exit_code == 0


def test_a_warning_does_not_fail(shop: Path) -> None:
    spoil(shop, "csv: data/", "csv: date/")
    result = validate()
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: loop.yaml:")


def test_an_expectation_that_there_is_none_of_is_a_problem(shop: Path) -> None:
    suite = shop / "expectations.json"
    suite.write_text(suite.read_text().replace("to_be_unique", "to_be_uniqe"))
    result = validate()
    assert result.exit_code == 2
    assert "spec.data.expectations: expectations.json, expectation 3: " in result.stderr
    assert "Did you mean expect_column_values_to_be_unique?" in result.stderr


def test_a_profile_is_checked_along(shop: Path) -> None:
    (shop / "profile.yaml").write_text("kind: Profile\nspec: {hom: x}\n")
    result = validate("--profile", "profile.yaml")
    assert (result.exit_code, "profile.yaml:2: spec.hom: unknown field. Did you mean home?" in result.stderr) == (
        2,
        True,
    )


def test_json_has_every_problem_and_warning(shop: Path) -> None:
    spoil(shop, "growth:", "growht:")
    spoil(shop, "csv: data/", "csv: date/")
    result = validate("--output", "json")
    data = json.loads(result.stdout)
    assert (result.exit_code, data["valid"], data["loop"]) == (2, False, None)
    assert [problem["field"] for problem in data["problems"]] == ["spec.triggers.newData.growht"]
    assert [warning["field"] for warning in data["warnings"]] == ["spec.data.source.csv"]


def test_json_is_json_whatever_the_users_module_prints(shop: Path) -> None:
    (shop / "model.py").write_text((shop / "model.py").read_text() + "\n\nprint('hello')\n")
    result = validate("--output", "json")
    assert (json.loads(result.stdout)["valid"], result.stderr) == (True, "hello\n")


def test_a_file_that_is_not_there_is_said_to_be_missing(shop: Path) -> None:
    result = validate("lop.yaml")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: lop.yaml: there is no such file. Did you mean loop.yaml?\n",
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("key: visit_id", "key: visitid", "spec.data.key: data/{} has no column visitid. Did you mean visit_id?"),
        ("eventTime: visited_at", "eventTime: zz", "spec.data.eventTime: data/{} has no column zz. It has visit_id,"),
        (
            "column: bought",
            "column: boguht",
            "spec.data.label.column: data/{} has no column boguht. Did you mean bought? Without it, labels come as",
        ),
    ],
)
def test_a_name_that_the_data_does_not_have_is_a_warning_with_the_nearest_one(
    shop: Path, old: str, new: str, said: str
) -> None:
    spoil(shop, old, new)
    result = validate()
    assert result.exit_code == 0
    last = max(path.name for path in (shop / "data").iterdir())
    assert said.format(last) in result.stderr


def test_a_column_of_blocks_that_the_data_does_not_have_is_a_warning_that_says_what_follows(shop: Path) -> None:
    spoil(shop, "    judge:\n", "    judge:\n      block: {column: visitor}\n")
    result = validate()
    assert result.exit_code == 0
    assert "spec.rollout.judge.block.column: data/" in result.stderr
    assert "has no column visitor." in result.stderr
    assert "Outcomes of requests without it do not count: rollouts stay inconclusive." in result.stderr


def test_labels_that_come_as_outcomes_alone_need_no_column(shop: Path) -> None:
    spoil(shop, "column: bought", "column: converted")
    assert validate().stderr == ""


def test_the_columns_of_a_parquet_file_are_known_too(shop: Path) -> None:
    import pandas as pd

    (shop / "data" / "2030-01-01.parquet").write_bytes(pd.DataFrame({"visit": [1], "at": ["x"]}).to_parquet())
    spoil(shop, "csv: data/", "parquet: data/")
    assert "spec.data.key: data/2030-01-01.parquet has no column visit_id. Did you mean visit?" in validate().stderr
