"""What somebody is told who may not write, and that reading asks for no right to."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from tidemill.cli.init import write_project
from tidemill.cli.main import cli
from unprivileged import unprivileged


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_project(tmp_path / "shop", "shop", date(2026, 1, 31))
    for path in sorted((tmp_path / "shop" / "data").iterdir())[:-2]:
        path.unlink()
    return tmp_path / "shop"


def tidemill(*arguments: str) -> tuple[int, str, str]:
    command = unprivileged(sys.executable, "-m", "tidemill.cli.main", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("verb", ["status", "history"])
def test_what_only_reads_takes_a_project_that_is_read_only(shop: Path, verb: str) -> None:
    shop.chmod(0o555)
    code, said, error = tidemill(verb, str(shop))
    assert (code, error) == (0, "")
    assert "none yet" in said or "Nothing has happened yet" in said


@pytest.mark.parametrize("verb", ["status", "history", "plan"])
def test_what_only_reads_makes_no_home(shop: Path, verb: str) -> None:
    result = CliRunner().invoke(cli, [verb, str(shop)])
    assert result.exit_code == 0, result.output
    assert not (shop / ".tidemill").exists()


def test_who_may_not_write_the_state_is_told_so_and_not_to_make_room(shop: Path) -> None:
    assert CliRunner().invoke(cli, ["train", str(shop)]).exit_code == 0
    for path in (*(shop / ".tidemill").iterdir(), shop / ".tidemill"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    code, _, error = tidemill("train", str(shop))
    assert code == 1
    assert "state.db cannot be written or read" in error
    assert "may read and write there" in error
    assert "room" not in error


def test_who_may_not_write_labels_is_told_so_and_not_to_make_room(shop: Path) -> None:
    (shop / "labels.csv").write_text("visit_id,bought\na,1\n")
    shop.chmod(0o555)
    code, _, error = tidemill("outcomes", str(shop), "--from", str(shop / "labels.csv"))
    assert code == 1
    assert "Permission denied" in error
    assert "may read and write there" in error
    assert "room" not in error


def test_who_may_not_make_the_home_is_told_so(shop: Path) -> None:
    shop.chmod(0o555)
    code, _, error = tidemill("train", str(shop))
    assert code == 1
    assert error.startswith(f"error: Permission denied: {shop}/.tidemill. See that this user (uid ")


@pytest.mark.parametrize("named", ["loop.yaml", "."])
def test_a_loop_that_may_not_be_read_is_a_wrong_file_by_name_and_by_folder(shop: Path, named: str) -> None:
    (shop / "loop.yaml").chmod(0)
    code, _, error = tidemill("status", str(shop / named))
    assert (code, f"{shop}/loop.yaml" in error) == (2, True)
    assert "cannot be read: Permission denied" in error or "is not readable" in error


def test_a_file_that_may_not_be_read_does_not_hide_the_loop_beside_it(shop: Path) -> None:
    (shop / "secret.yaml").write_text("key: x\n")
    (shop / "secret.yaml").chmod(0)
    assert tidemill("status", str(shop))[0] == 0
