from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from loops import IMPOSSIBLE, SPOILT, impossible
from tidemill.spec.errors import SpecError
from tidemill.spec.loading import load_loop, load_profile
from tidemill.spec.model_loop import ModelLoop

Edit = Callable[..., Path]


def said(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_loop(path)
    return str(caught.value)


def test_a_valid_file_is_a_loop(project: Path) -> None:
    loop = load_loop(project / "loop.yaml")
    assert loop.metadata.name == "visits"
    assert loop.spec.data.label.arrives_after == timedelta(hours=1)
    assert loop.spec.triggers.performance is None


def test_a_loop_written_as_json_reads_back_the_same(project: Path) -> None:
    loop = load_loop(project / "loop.yaml")
    assert ModelLoop.model_validate(loop.model_dump(mode="json", by_alias=True)) == loop


def test_an_unknown_field_names_file_line_field_and_the_nearest_one(edited: Edit) -> None:
    path = edited("growth: 25%", "growht: 25%")
    assert said(path) == "loop.yaml:17: spec.triggers.newData.growht: unknown field. Did you mean growth?"


@pytest.mark.parametrize(("old", "new", "expected"), SPOILT)
def test_what_is_wrong_is_said_with_the_nearest_right_thing(edited: Edit, old: str, new: str, expected: str) -> None:
    assert expected in said(edited(old, new))


@pytest.mark.parametrize("task", ["multiclass-classification", "regression"])
def test_a_task_of_a_later_version_is_said_to_be_one(edited: Edit, task: str) -> None:
    path = edited("binary-classification", task)
    assert said(path) == f"loop.yaml:6: spec.model.task: {task} is not in this version; binary-classification is"


@pytest.mark.parametrize(("line", "expected"), IMPOSSIBLE)
def test_an_impossible_window_or_step_is_refused(project: Path, line: str, expected: str) -> None:
    path = project / "loop.yaml"
    path.write_text(impossible(line))
    assert expected in said(path)


def test_a_label_that_is_given_up_before_it_arrives_is_refused(edited: Edit) -> None:
    path = edited("arrivesAfter: 1h", "arrivesAfter: 3d, giveUpAfter: 1d")
    assert "spec.data.label: giveUpAfter is shorter than arrivesAfter" in said(path)


def test_all_problems_are_told_at_once_in_the_order_of_the_file(edited: Edit) -> None:
    path = edited("growth", "growht", "name: visits", "name: V", "arrivesAfter: 1h", "arrivesAfter: soon")
    with pytest.raises(SpecError) as caught:
        load_loop(path)
    assert [problem.line for problem in caught.value.problems] == [3, 14, 17]


def test_off_is_the_word_and_not_false(edited: Edit) -> None:
    assert load_loop(edited("    key: visit_id", "    gate: off\n    key: visit_id")).spec.data.gate == "off"


def test_a_gate_that_is_neither_says_what_it_may_be(edited: Edit) -> None:
    expected = "'of' is neither a mapping nor off. Its fields are falseAlarms, minHistory."
    assert expected in said(edited("    key: visit_id", "    gate: of\n    key: visit_id"))


def test_inside_a_gate_only_the_wrong_field_is_told(edited: Edit) -> None:
    text = said(edited("    key: visit_id", "    gate: {falseAlarm: 1%}\n    key: visit_id"))
    assert text == "loop.yaml:12: spec.data.gate.falseAlarm: unknown field. Did you mean falseAlarms?"


def test_a_field_said_twice_names_both_lines(edited: Edit) -> None:
    text = said(edited("    key: visit_id", "    key: visit_id\n    key: other"))
    assert text == "loop.yaml:13: spec.data.key: this field is on line 12 already. Keep one of the two."


def test_other_documents_of_the_file_are_let_pass(project: Path) -> None:
    path = project / "loop.yaml"
    path.write_text("kind: ConfigMap\n---\n" + path.read_text() + "---\nkind: ModelRollout\n")
    assert load_loop(path).metadata.name == "visits"


@pytest.mark.parametrize("kind", ["ModelLoop", "ModelLop"])
def test_a_second_loop_in_the_file_is_refused_by_name(project: Path, kind: str) -> None:
    path = project / "loop.yaml"
    first = path.read_text()
    second = first.replace("visits", "second").replace("growth", "growht").replace("kind: ModelLoop", f"kind: {kind}")
    path.write_text(first + "---\n" + second)
    lines = len(first.splitlines())
    assert said(path) == (
        f"loop.yaml:{lines + 3}: kind: this file holds 2 ModelLoops: visits (line 2), second (line {lines + 3}). "
        "Give each a file of its own."
    )


def test_the_line_in_a_later_document_is_that_of_the_file(edited: Edit) -> None:
    path = edited("growth", "growht")
    path.write_text("kind: ConfigMap\n---\n" + path.read_text())
    assert said(path).startswith("loop.yaml:19:")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "loop.yaml: the file is empty. `tidemill init DIR` makes a project to start from."),
        ("# nothing\n---\n", "loop.yaml: the file is empty."),
        ("- a\n", "loop.yaml:1: this is no ModelLoop: a ModelLoop is a mapping."),
        ("just words", "It begins with `apiVersion: tidemill.dev/v1alpha1` and `kind: ModelLoop`."),
        ("a: [1,\nb: 2\n", "(while parsing a flow sequence, which begins on line 1)"),
        ("a:\n\tb: 1\n", "Indent with spaces, not tabs."),
        ("a: !!python/object:os.system x", "loop.yaml:1: not YAML: could not determine a constructor"),
        ("a: &a [*a]\nkind: ModelLoop\n", "unknown field"),
        ("\x00", "not YAML"),
        ("{}", "apiVersion: this field is missing"),
    ],
)
def test_what_is_no_loop_at_all_is_said_clearly(project: Path, content: str, expected: str) -> None:
    path = project / "loop.yaml"
    path.write_text(content)
    assert expected in said(path)


def test_bytes_that_are_no_text_are_said_to_be_none(project: Path) -> None:
    (project / "loop.yaml").write_bytes(b"\xff\xfe\x00kind")
    assert "is no UTF-8 text" in said(project / "loop.yaml")


def test_a_huge_file_is_not_read_as_yaml(project: Path) -> None:
    (project / "loop.yaml").write_text("# " + "x" * 1_000_001)
    assert "a ModelLoop or Profile is a page of YAML" in said(project / "loop.yaml")


def test_aliases_that_would_unfold_to_gigabytes_do_no_harm(project: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    (project / "loop.yaml").write_text("\n".join(lines) + "\nkind: ModelLoop\n")
    assert "a19: unknown field" in said(project / "loop.yaml")


def test_a_file_that_is_not_there_names_the_nearest(project: Path) -> None:
    assert said(project / "lop.yaml") == "lop.yaml: there is no such file. Did you mean loop.yaml?"


def test_without_a_file_the_profile_is_the_local_one() -> None:
    profile = load_profile(None)
    assert (profile.spec.home, profile.spec.gateway.host) == (".tidemill", "127.0.0.1")


def test_a_profile_is_checked_like_a_loop(project: Path) -> None:
    path = project / "profile.yaml"
    path.write_text("apiVersion: tidemill.dev/v1alpha1\nkind: Profile\nspec:\n  gateway: {prot: 80, port: 80.5}\n")
    with pytest.raises(SpecError) as caught:
        load_profile(path)
    assert str(caught.value).splitlines() == [
        "profile.yaml:4: spec.gateway.port: 80.5 is not a whole number",
        "profile.yaml:4: spec.gateway.prot: unknown field. Did you mean port?",
    ]


def test_a_state_that_is_no_url_is_told_without_quoting_what_may_be_a_password(project: Path) -> None:
    path = project / "profile.yaml"
    path.write_text("kind: Profile\nspec:\n  state: hunter2\n")
    with pytest.raises(SpecError) as caught:
        load_profile(path)
    assert str(caught.value).startswith("profile.yaml:3: spec.state: this is not an SQLAlchemy URL of SQLite or ")
    assert "hunter2" not in str(caught.value)
    path.write_text("kind: Profile\nspec:\n  state: postgresql+psycopg://me@db/state\n")
    assert load_profile(path).spec.state == "postgresql+psycopg://me@db/state"


def test_a_profile_says_only_what_differs(project: Path) -> None:
    path = project / "profile.yaml"
    path.write_text("kind: Profile\nspec:\n  gateway: {port: 0}\n")
    assert load_profile(path).spec.gateway.port == 0


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            "5h",
            "spec.rollout.judge.block: a block is 1h, 2h, 3h, 4h, 6h, 8h, 12h or 1d, so that whole blocks fill a day, "
            "or auto or a mapping with column",
        ),
        ("{colum: batch}", "spec.rollout.judge.block.colum: unknown field. Did you mean column?"),
        ("{}", "spec.rollout.judge.block.column: this field is missing. A column of the requests"),
        ("{column: ''}", "spec.rollout.judge.block.column: '' is not a name"),
        ("{column: bought}", "spec: rollout.judge.block.column is the label: requests do not carry it"),
        ("{column: visit_id}", "spec: rollout.judge.block.column is the key or the event time: each outcome would be"),
        ("{column: visited_at}", "spec: rollout.judge.block.column is the key or the event time: each outcome would"),
    ],
)  # fmt: skip
def test_a_block_is_a_part_of_a_day_auto_or_a_column_of_the_requests(project: Path, block: str, expected: str) -> None:
    path = project / "loop.yaml"
    path.write_text(impossible(f"rollout: {{judge: {{block: {block}}}}}"))
    assert expected in said(path)
    assert "is not a duration" not in said(path), "a mapping was meant as one"


def test_a_column_of_blocks_reads_back_the_same(project: Path) -> None:
    path = project / "loop.yaml"
    path.write_text(impossible("rollout: {judge: {block: {column: batch}}}"))
    rules = load_loop(path).spec.rollout
    assert rules.judge.block_column == "batch"
    assert type(rules).model_validate(rules.model_dump(mode="json", by_alias=True)) == rules
