from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tidemill.spec.entry_points import check_entry_points
from tidemill.spec.loading import load_loop

Edit = Callable[..., Path]


def said(project: Path) -> str:
    return "\n".join(map(str, check_entry_points(load_loop(project / "loop.yaml"), project)))


def spoil(project: Path, old: str, new: str) -> None:
    path = project / "model.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_functions_that_can_be_called_are_no_problem(project: Path) -> None:
    assert said(project) == ""


def test_a_module_that_is_not_there_names_the_nearest(project: Path, edited: Edit) -> None:
    edited("trainer: model:train", "trainer: modle:train")
    assert "spec.model.trainer: no module modle in" in said(project)
    assert "Did you mean model:train?" in said(project)


def test_a_module_in_a_package_is_found(project: Path, edited: Edit) -> None:
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").touch()
    (project / "model.py").rename(project / "shop" / "model.py")
    edited(": model:", ": shop.model:")
    assert said(project) == ""
    edited("trainer: shop.model:train", "trainer: shp.model:train")
    assert "Did you mean shop.model:train?" in said(project)


def test_a_function_that_is_not_there_names_the_nearest(project: Path) -> None:
    spoil(project, "def train(", "def training(")
    assert "spec.model.trainer: model has no train. Did you mean model:training?" in said(project)


def test_a_module_without_any_such_function_lists_what_it_has(project: Path) -> None:
    spoil(project, "def train(", "def zzz(")
    assert "model has no train. Its functions are zzz, average, features." in said(project)


def test_an_import_that_raises_is_told_in_a_line_with_the_users_own_line(project: Path) -> None:
    spoil(project, "def average", "raise RuntimeError('no\\nlicence')\n\n\ndef average")
    assert said(project).count("importing model raised RuntimeError: no licence (model.py:5)") == 3


def test_a_mistake_in_another_module_of_the_user_is_told_where_it_is(project: Path) -> None:
    (project / "helper.py").write_text("x = 1\ny = 1 / 0\n")
    spoil(project, "def average", "import helper\n\n\ndef average")
    assert "importing model raised ZeroDivisionError: division by zero (helper.py:2)" in said(project)


def test_a_syntax_error_is_told_with_its_line(project: Path) -> None:
    spoil(project, "def average(", "def average(((")
    assert "importing model raised SyntaxError" in said(project)
    assert "(model.py:5)" in said(project)


def test_a_package_that_is_not_installed_is_told_to_be_installed(project: Path) -> None:
    spoil(project, "def average", "import no_such_package\n\n\ndef average")
    text = said(project)
    assert "raised ModuleNotFoundError: No module named 'no_such_package' (model.py:5). Install what it imports" in text


def test_a_module_that_exits_does_not_end_the_check(project: Path) -> None:
    spoil(project, "def average", "import sys\nsys.exit(3)\n\n\ndef average")
    assert "importing model raised SystemExit: 3" in said(project)


def test_what_cannot_be_called_says_what_it_is(project: Path) -> None:
    spoil(project, "def features(frame):\n    return frame", "features = ['a']")
    assert "model:features is not callable: it is list. Write `def features(frame): ...`." in said(project)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("def train(X, y, previous=None)", "def train(X, y)", "got an unexpected keyword argument 'previous'"),
        ("def train(X, y, previous=None)", "def train(X)", "too many positional arguments"),
        (
            "def train(X, y, previous=None)",
            "def train(X, y, seed, previous=None)",
            "missing a required argument: 'seed'",
        ),
        ("def features(frame)", "def features()", "too many positional arguments"),
    ],
)
def test_a_wrong_signature_says_how_it_will_be_called(project: Path, old: str, new: str, expected: str) -> None:
    spoil(project, old, new)
    assert expected in said(project)
    assert f"Write `{old}: ...`." in said(project)


@pytest.mark.parametrize(
    "signature", ["def train(X, y, **options)", "def train(*args, previous)", "def train(X, y, previous, n=1)"]
)
def test_any_signature_that_takes_the_call_will_do(project: Path, signature: str) -> None:
    spoil(project, "def train(X, y, previous=None)", signature)
    assert said(project) == ""


def test_the_check_leaves_no_trace_in_the_interpreter(project: Path) -> None:
    before = (list(sys.path), set(sys.modules))
    said(project)
    assert list(sys.path) == before[0]
    assert "model" not in set(sys.modules) - before[1]
    assert not list(project.rglob("__pycache__"))


def test_a_module_that_several_name_is_imported_once_and_does_not_print_on_our_stdout(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(project, "def average", "print('hello')\n\n\ndef average")
    assert said(project) == ""
    assert capsys.readouterr() == ("", "hello\n")


def test_another_projects_module_of_the_same_name_is_not_mistaken_for_this_one(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "model.py").write_text("")
    (other / "loop.yaml").write_text((project / "loop.yaml").read_text())
    assert said(project) == ""
    assert "model has no train" in said(other)
    assert said(project) == ""
