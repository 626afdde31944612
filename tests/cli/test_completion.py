"""What a shell completes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from stored import partition
from tidemill.adapters.sql.state import SqlState
from tidemill.cli.init import write_project
from tidemill.cli.main import PODS, VERBS, cli


def completed(incomplete: str, *arguments: str) -> list[str]:
    found = ShellComplete(cli, {}, "tidemill", "_TIDEMILL_COMPLETE").get_completions(list(arguments), incomplete)
    return [item.value for item in found]


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlState:
    """The state of a project in the folder that one is in, with a day that is quarantined and one that is not."""
    write_project(tmp_path, "shop", date(2026, 1, 31))
    monkeypatch.chdir(tmp_path)
    state = SqlState("sqlite:///.tidemill/state.db")
    for day, status in (("2026-01-29", "admitted"), ("2026-01-30", "quarantined"), ("2026-01-31", "quarantined")):
        state.put("shop", "partition", day, partition(day, status=status))
    return state


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_the_shells(shell: str) -> None:
    output = CliRunner().invoke(cli, ["completion", shell]).output
    assert "_TIDEMILL_COMPLETE" in output
    assert "tidemill" in output


def test_every_verb_is_offered_but_those_that_nobody_types() -> None:
    assert set(completed("")) == set(VERBS) - PODS
    assert completed("con") == []


def test_admit_offers_what_is_quarantined(held: SqlState) -> None:
    assert completed("", "admit") == ["2026-01-30", "2026-01-31"]
    assert completed("2026-01-31", "admit") == ["2026-01-31"]


@pytest.mark.parametrize("profile", ["server: {url: 'http://10.255.255.1'}", "state: postgresql://10.255.255.1/db"])
def test_a_store_that_may_be_slow_is_not_asked(held: SqlState, profile: str) -> None:
    Path("profile.yaml").write_text(f"kind: Profile\nspec: {{{profile}}}\n")
    assert completed("", "admit", "--profile", "profile.yaml") == []


def test_where_nothing_can_be_known_nothing_is_offered_or_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert completed("", "admit") == []
    assert not list(tmp_path.iterdir())


def test_a_hidden_verb_can_be_asked_for_help() -> None:
    assert isinstance(cli.get_command(click.Context(cli), "controller"), click.Command)
    assert CliRunner().invoke(cli, ["controller", "--help"]).exit_code == 0
