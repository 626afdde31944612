"""The command line: a table of verbs, each in its own file, imported only when it is called.

`tidemill --help` lists the table and imports no verb, so that it costs nothing that only one of them needs.
"""

from __future__ import annotations

import errno
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

import tidemill

from .error_text import as_ours, error_text, is_expected

# verb: (module, one line of help). Kept here so that listing the verbs imports none of them.
VERBS: dict[str, tuple[str, str]] = {
    "init": ("init", "Make a small project that runs at once."),
    "validate": ("validate", "Check a ModelLoop and everything it names."),
    "schema": ("schema", "Print the JSON schema of a ModelLoop or a Profile."),
    "plan": ("plan", "Show what the next tick would do and why, without doing it."),
    "run": ("run", "Keep the model right: tick again and again, and answer requests."),
    "replay": ("replay", "Live through history with the real loop."),
    "status": ("status", "Show who serves, what is tried, what waits, and how the model does."),
    "history": ("history", "List everything that happened to the loop, oldest first."),
    "train": ("train", "Ask for a turn now, past cooldown and budget."),
    "admit": ("admit", "Let a quarantined partition in after all."),
    "approve": ("approve", "Approve the rollout that awaits it."),
    "pause": ("pause", "Keep the running rollout at its step, whatever the evidence says."),
    "resume": ("resume", "Let a paused rollout go on."),
    "abort": ("abort", "End the running rollout; the champion stays."),
    "rollback": ("rollback", "Let the previous champion serve again."),
    "serve": ("serve", "Answer requests: the data plane alone."),
    "server": ("server", "Serve the HTTP API, the inbox of events, and metrics."),
    "render": ("render", "Print manifests that tell the server of data that arrives."),
    "outcomes": ("outcomes", "Send labels that came true, from a file."),
    "controller": ("controller", "Keep the ModelLoops of a cluster."),
    "gateway": ("gateway", "Answer requests on a cluster: the data plane of every loop there."),
    "model-server": ("model_server", "Serve one version of one model, as a cluster's Pod does."),
    "completion": ("completion", "Print the completion script of a shell."),
}

PODS = {"controller", "gateway", "model-server"}  # what a cluster's Pods run; nobody types them


class Verbs(click.Group):
    """A group that imports a verb's file when the verb is called, and shows errors as sentences, not traces."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"tidemill.cli.{VERBS[cmd_name][0]}").command
        command.name, command.hidden = cmd_name, cmd_name in PODS  # nor are these completed
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f"Did you mean {near[0]}?" if near else "`tidemill --help` lists the verbs."
            ctx.fail(f"There is no verb {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items() if verb not in PODS])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            if _is_closed_pipe(error) or (isinstance(error, click.ClickException) and not _wants_json(ctx)):
                raise  # click says these well, and ends with the right code
            _show(ctx, error)


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="FILE is a ModelLoop, or a folder that holds one; by default the folder you are in.",
)
@click.version_option(tidemill.__version__, prog_name="tidemill", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar="TIDEMILL_DEBUG", help="Show the stack trace of an error.")
def cli(debug: bool) -> None:
    """Keeps a model right in production: one ModelLoop file says what right means."""


def main() -> None:
    """The console script."""
    try:
        cli(prog_name="tidemill")
    except OSError as error:  # of what is printed before any verb is called: `tidemill --help >/dev/full`
        click.echo(f"error: {error_text(error)}", err=True)
        sys.exit(1)


def _show(ctx: click.Context, error: Exception) -> NoReturn:
    """Says on stderr what went wrong, as text or (with --output json) as JSON, and ends with the error's code."""
    if ctx.params.get("debug"):
        import traceback

        click.echo(traceback.format_exc().rstrip(), err=True)
    error = as_ours(error, ctx.invoked_subcommand or "")
    code = int(getattr(error, "exit_code", 1))
    text = error_text(error)
    if not is_expected(error):
        text += " (a fault of Tidemill's own; `tidemill --debug ...` shows where)"
    if _wants_json(ctx):
        import json

        problems = [problem.as_dict() for problem in getattr(error, "problems", ())]
        body = {"type": type(error).__name__, "message": text, "exitCode": code}
        click.echo(json.dumps({"error": {**body, **({"problems": problems} if problems else {})}}), err=True)
    else:
        click.echo(f"error: {text}", err=True)
    raise click.exceptions.Exit(code)


def _wants_json(ctx: click.Context) -> bool:
    return ctx.meta.get("tidemill.output") == "json"


def _is_closed_pipe(error: Exception) -> bool:
    """`tidemill history | head` closes our pipe; click ends that quietly."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE


if __name__ == "__main__":
    main()
