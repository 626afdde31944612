from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tidemill.spec.checking import check_loop
from tidemill.spec.errors import SpecError
from tidemill.spec.find import find_loop

Edit = Callable[..., Path]


def test_a_sound_project_has_no_problem(project: Path) -> None:
    findings = check_loop(project / "loop.yaml")
    assert findings.loop is not None
    assert (findings.problems, findings.warnings) == ((), ())


def test_functions_are_checked_even_where_other_fields_are_wrong(edited: Edit) -> None:
    findings = check_loop(edited("growth", "growht", "model:train", "model:trian"))
    assert [str(problem) for problem in findings.problems] == [
        "loop.yaml:7: spec.model.trainer: model has no trian. Did you mean model:train?",
        "loop.yaml:17: spec.triggers.newData.growht: unknown field. Did you mean growth?",
    ]


def test_functions_are_left_alone_where_that_is_asked(edited: Edit) -> None:
    assert check_loop(edited("model:train", "model:trian"), imports=False).problems == ()


def test_data_that_is_not_there_yet_is_a_warning(edited: Edit) -> None:
    findings = check_loop(edited("csv: data/", "csv: date/"))
    assert findings.problems == ()
    assert str(findings.warnings[0]) == (
        "loop.yaml:11: spec.data.source.csv: nothing matches date/*.csv yet. "
        "A partition is a file such as 2026-01-31.csv; the day is in its name."
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "loop.yaml:15: spec.data.expectations: expectations.json cannot be read: No such file or directory."),
        ("{", "expectations.json is no JSON"),
        ("[]", "expectations.json is no Great Expectations suite. It looks like"),
    ],
)
def test_expectations_that_cannot_be_used_are_a_problem(project: Path, content: str | None, expected: str) -> None:
    path = project / "expectations.json"
    path.unlink() if content is None else path.write_text(content)
    assert expected in str(check_loop(project / "loop.yaml").problems[0])


def test_what_a_suite_expects_is_judged_by_who_knows_the_library(project: Path) -> None:
    findings = check_loop(project / "loop.yaml", suite=lambda file: [(f"{file.suffix} is wrong", "Do this.")])
    (problem,) = findings.problems
    assert (problem.field, problem.message) == ("spec.data.expectations", "expectations.json, .json is wrong")
    assert problem.hint == "Do this."


def test_a_suite_that_nobody_can_judge_is_a_warning(project: Path) -> None:
    findings = check_loop(project / "loop.yaml", suite=lambda _file: None)
    assert findings.problems == ()
    assert "expectations.json expects is not checked: Great Expectations is not installed" in str(findings.warnings[0])


def test_where_no_suite_is_named_nobody_is_asked(edited: Edit) -> None:
    path = edited("    expectations: expectations.json\n", "")
    assert check_loop(path, suite=lambda _file: pytest.fail("asked")).problems == ()


def test_a_folder_means_the_only_loop_in_it(project: Path) -> None:
    (project / "profile.yaml").write_text("kind: Profile\n")
    assert find_loop(project) == project / "loop.yaml"


def test_a_folder_with_two_loops_asks_which(project: Path) -> None:
    (project / "other.yml").write_text((project / "loop.yaml").read_text())
    with pytest.raises(SpecError, match=r"this folder holds 2 ModelLoops: loop.yaml, other.yml. Name one of them."):
        find_loop(project)


def test_a_folder_without_a_loop_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no file in this folder holds a ModelLoop.*`tidemill init DIR`"):
        find_loop(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [("kind: ModelLoop", "kind: ModelLop"), ("kind: ModelLoop", "kind: Loop"), ("kind: ModelLoop\n", "")],
)
def test_a_folder_means_the_only_file_that_is_meant_to_be_a_loop(edited: Edit, old: str, new: str) -> None:
    path = edited(old, new)
    (path.parent / "profile.yaml").write_text("apiVersion: tidemill.dev/v1alpha1\nkind: Profile\n")
    (path.parent / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\n")
    assert find_loop(path.parent) == path


def test_a_loop_goes_before_what_is_only_nearly_one(project: Path) -> None:
    (project / "other.yaml").write_text("kind: ModelLop\n")
    assert find_loop(project) == project / "loop.yaml"


def test_of_two_that_are_only_nearly_loops_none_is_meant(edited: Edit) -> None:
    path = edited("kind: ModelLoop", "kind: ModelLop")
    (path.parent / "other.yaml").write_text("kind: ModelLop\n")
    with pytest.raises(SpecError, match="no file in this folder holds a ModelLoop"):
        find_loop(path.parent)


@pytest.mark.parametrize(
    ("image", "warned"), [("me/it:1", True), ("me/it", True), ("me/it:1@sha256:" + 64 * "a", False)]
)
def test_an_image_that_can_become_another_one_is_a_warning(edited: Edit, image: str, warned: bool) -> None:
    findings = check_loop(edited("trainer: model:train", f"image: {image}\n    trainer: model:train"))
    assert findings.problems == ()
    assert [warning.field for warning in findings.warnings] == (["spec.model.image"] if warned else [])
