"""The frame of the command line: what every verb has in common."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tidemill.cli import main
from tidemill.cli.main import PODS, VERBS, cli
from tidemill.cli.output import emit, output_option
from tidemill.loop.errors import LeaseHeld
from tidemill.spec.errors import Problem, SpecError

HEAVY = ("pydantic", "pandas", "numpy", "rich", "yaml", "sqlalchemy", "mlflow", "kfp", "great_expectations", "sklearn")


def a_verb(error: BaseException | None = None, data: object = None) -> click.Command:
    @click.command()
    @output_option
    def command(output: str) -> None:
        if error is not None:
            raise error
        emit(data, output, str)

    return command


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    return CliRunner()


def make_verb(monkeypatch: pytest.MonkeyPatch, command: click.Command) -> None:
    monkeypatch.setattr(main, "import_module", lambda _name: type("module", (), {"command": command}))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_table_is_a_file_with_a_command(verb: str, runner: CliRunner) -> None:
    assert find_spec(f"tidemill.cli.{VERBS[verb][0]}") is not None, f"cli/{VERBS[verb][0]}.py is missing"
    result = runner.invoke(cli, [verb, "--help"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Usage: ")


def test_help_lists_every_verb(runner: CliRunner) -> None:
    output = runner.invoke(cli, ["--help"]).output
    assert {verb for verb in VERBS if f"\n  {verb} " not in output} == PODS, "what Pods run nobody types"


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from tidemill.cli.main import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_version_is_the_packages(runner: CliRunner) -> None:
    assert runner.invoke(cli, ["--version"]).output == "tidemill 0.1.0\n"


@pytest.mark.parametrize("port", ["99999", "-1"])
@pytest.mark.parametrize("verb", ["run", "serve", "server", "gateway", "model-server"])
def test_what_is_no_port_is_refused(runner: CliRunner, verb: str, port: str) -> None:
    result = runner.invoke(cli, [verb, "--port", port])
    assert (result.exit_code, f"{port} is not in the range 0<=x<=65535" in result.stderr) == (2, True)


def test_a_wrong_verb_names_the_nearest(runner: CliRunner) -> None:
    result = runner.invoke(cli, ["staus"])
    assert result.exit_code == 2
    assert "There is no verb 'staus'. Did you mean status?" in result.stderr


def test_an_error_is_a_sentence_on_stderr_with_its_own_code(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    make_verb(monkeypatch, a_verb(LeaseHeld("Process 7 acts for shop.")))
    result = runner.invoke(cli, ["status"])
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", "error: Process 7 acts for shop.\n")


def test_several_problems_of_a_file_are_a_line_each(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [Problem("loop.yaml", 9, "spec.b", "wrong"), Problem("loop.yaml", 2, "spec.a", "wrong", "Right.")]
    make_verb(monkeypatch, a_verb(SpecError(problems)))
    result = runner.invoke(cli, ["status"])
    lines = ["error: 2 problems", "loop.yaml:2: spec.a: wrong. Right.", "loop.yaml:9: spec.b: wrong"]
    assert (result.exit_code, result.stderr.splitlines()) == (2, lines)


def test_with_json_an_error_is_json_on_stderr(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    make_verb(monkeypatch, a_verb(SpecError([Problem("loop.yaml", 2, "spec.a", "wrong", "Right.")])))
    result = runner.invoke(cli, ["status", "--output", "json"])
    assert (result.exit_code, result.stdout) == (2, "")
    error = json.loads(result.stderr)["error"]
    assert (error["type"], error["exitCode"]) == ("SpecError", 2)
    assert error["problems"] == [
        {"file": "loop.yaml", "line": 2, "field": "spec.a", "message": "wrong", "hint": "Right."}
    ]


def test_with_json_a_wrong_option_is_json_too(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    make_verb(monkeypatch, a_verb(click.UsageError("No.")))
    result = runner.invoke(cli, ["status", "--output", "json"])
    assert json.loads(result.stderr)["error"] == {"type": "UsageError", "message": "No.", "exitCode": 2}


def test_a_full_disk_is_told_without_a_trace(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    make_verb(monkeypatch, a_verb(OSError(28, "No space left on device", "state.db")))
    result = runner.invoke(cli, ["status"])
    said = "error: No space left on device: state.db. Make room on that disk.\n"
    assert (result.exit_code, result.stderr) == (1, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has one")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_printed_is_told_without_a_trace(option: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "tidemill.cli.main", option]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = "error: No space left on device. Make room on that disk.\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_fault_of_our_own_is_said_to_be_one(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    make_verb(monkeypatch, a_verb(KeyError("champion")))
    result = runner.invoke(cli, ["status"])
    assert result.exit_code == 1
    assert (
        "error: KeyError: 'champion' (a fault of Tidemill's own; `tidemill --debug ...` shows where)" in result.stderr
    )
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("verb", "extra"), [("server", "server"), ("serve", "gateway"), ("run", "local")])
def test_a_library_that_is_not_installed_is_told_with_its_extra(tmp_path: Path, verb: str, extra: str) -> None:
    from datetime import date

    from tidemill.cli.init import write_project

    write_project(tmp_path, "shop", date(2026, 1, 31))
    program = (
        "import sys; sys.modules['starlette'] = sys.modules['uvicorn'] = None\n"
        "from tidemill.cli.main import main; main()"
    )
    command = [sys.executable, "-c", program, verb, str(tmp_path), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"`tidemill {verb}` needs " in done.stderr
    assert f"which is not installed: install it with `pip install 'tidemill[{extra}]'`." in done.stderr
    assert "Tidemill's own" not in done.stderr


def test_a_module_that_is_none_of_ours_is_no_matter_of_extras(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_verb(monkeypatch, a_verb(ModuleNotFoundError("No module named 'theirs'", name="theirs")))
    assert "pip install" not in runner.invoke(cli, ["status"]).stderr


def test_debug_shows_where(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    make_verb(monkeypatch, a_verb(KeyError("champion")))
    assert "Traceback" in runner.invoke(cli, ["--debug", "status"]).stderr
    assert "Traceback" in runner.invoke(cli, ["status"], env={"TIDEMILL_DEBUG": "1"}).stderr


def test_json_output_is_json_whatever_is_in_it(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime as dt

    data = {"loss": float("nan"), "at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "wait": dt.timedelta(hours=6)}
    make_verb(monkeypatch, a_verb(data={**data, "path": Path("a")}))
    output = runner.invoke(cli, ["status", "-o", "json"]).stdout
    expected = {"loss": None, "at": "2026-01-02T00:00:00+00:00", "wait": "6h", "path": "a"}
    assert json.loads(output, parse_constant=pytest.fail) == expected


def test_with_json_stdout_is_for_that_alone(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @output_option
    def command(output: str) -> None:
        print("a model says hello when it is loaded")
        emit({"loss": 1}, output, str)

    make_verb(monkeypatch, command)
    result = runner.invoke(cli, ["status", "-o", "json"])
    assert (json.loads(result.stdout), result.stderr) == ({"loss": 1}, "a model says hello when it is loaded\n")
    assert runner.invoke(cli, ["status"]).stdout.startswith("a model says hello")


def test_what_rich_can_draw_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table("version")
    table.add_row("7")
    emit([], "text", lambda _data: table)
    assert "version" in capsys.readouterr().out
