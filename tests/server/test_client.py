"""The verbs say the same over a server as over the files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from server_harness import add_loop
from tidemill.adapters.local.outcomes import SqliteOutcomes
from tidemill.adapters.server_client import ServerClient
from tidemill.adapters.sql.state import SqlState
from tidemill.cli.main import cli
from tidemill.loop.errors import NothingToDo, TidemillError

LOOP = Path(__file__).parents[2] / "examples" / "flights" / "loop.yaml"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "loop.yaml").write_text(LOOP.read_text())
    add_loop(SqlState(f"sqlite:///{folder}/.tidemill/state.db"), "flight-delay")  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def url(project: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tidemill.cli.main", "server", str(project), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield server.stdout.readline().split()[-1]
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0


@pytest.fixture(scope="module")
def profile(url: str, project: Path) -> str:
    text = f"kind: Profile\nspec: {{home: elsewhere, server: {{url: '{url}'}}}}\n"
    (project / "profile.yaml").write_text(text)
    return str(project / "profile.yaml")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, arguments)
    return done.exit_code, done.output


@pytest.mark.parametrize(
    "verb",
    [
        ("history",),
        ("history", "--last", "2"),
        ("history", "--event", "turn", "-o", "json"),
        ("history", "--event", "z"),
    ],
)
def test_history_is_the_same(project: Path, profile: str, verb: tuple[str, ...]) -> None:
    here, there = run(*verb, str(project)), run(*verb, str(project), "--profile", profile)
    assert here[0] == 0
    assert here == there


def test_status_is_that_of_the_servers_store(project: Path, profile: str) -> None:
    code, said = run("status", str(project), "--profile", profile)
    assert code == 0, said
    assert "champion    version 1 since 2013-03-08" in said
    assert "rollout     version 2, shadow 100%, running" in said
    assert "held back   the latest is 2013-03-02 (ExpectationFailed): Partition 2013-03-02 fails." in said
    assert "waits       A challenger is being rolled out." in said


def test_what_is_asked_is_recorded_there(project: Path, profile: str) -> None:
    code, said = run("train", str(project), "--profile", profile, "--note", "more", "--by", "ann", "-o", "json")
    assert code == 0, said
    assert json.loads(said)["by"] == "ann"
    code, said = run("admit", "2013-03-02", str(project), "--profile", profile)
    assert said.endswith("The next tick of the loop acts on it.\n")
    state = SqlState(f"sqlite:///{project}/.tidemill/state.db")
    assert [request["what"] for request in state.documents("flight-delay", "request")] == ["train", "admit"]


def test_what_has_no_place_is_said_in_the_servers_words(project: Path, profile: str) -> None:
    code, said = run("rollback", str(project), "--profile", profile)
    assert code == 1
    assert "has no earlier champion" in said


def test_a_loop_that_the_server_has_not(url: str) -> None:
    with pytest.raises(TidemillError, match=r"\(404\).*Did you mean flight-delay"):
        ServerClient(url, "default", "flight-dela", None).status()
    with pytest.raises(NothingToDo):
        ServerClient(url, "default", "flight-delay", None).ask("rollback", "ann", "")


def test_a_server_that_is_away_and_one_that_is_none(url: str) -> None:
    with pytest.raises(TidemillError, match="does not answer"):
        ServerClient("http://127.0.0.1:1", "default", "x", None).status()


def test_a_token_file_that_is_not_there_is_said(project: Path, url: str) -> None:
    profile = project / "other.yaml"
    profile.write_text(f"kind: Profile\nspec: {{server: {{url: '{url}', tokenFile: /nowhere/token}}}}\n")
    code, said = run("status", str(project), "--profile", str(profile))
    assert code == 1
    assert "/nowhere/token cannot be read" in said


def test_labels_of_a_file_go_to_the_server(project: Path, profile: str) -> None:
    (project / "labels.csv").write_text("flight_id,delayed\nUA1,1\nUA2,0\nUA3,\n")
    send = ("outcomes", str(project), "--profile", profile, "--from", str(project / "labels.csv"))
    assert run(*send)[1].startswith("2 new labels, 0 known already")
    assert run(*send)[1].startswith("0 new labels, 2 known already")
    assert SqliteOutcomes(project / ".tidemill" / "outcomes").count() == 2
    assert not (project / "elsewhere" / "outcomes").exists()


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_what_is_about_the_files_here_is_refused_where_the_loop_lives_elsewhere(
    project: Path, profile: str, url: str, verb: str
) -> None:
    code, said = run(verb, str(project), "--profile", profile)
    assert code == 2
    assert f"the profile names the server {url}" in said
