"""What the verbs that ask the loop for something have in common: who asks, and a note."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Any

import click

from .output import emit, output_option
from .project import Project, project_argument

_SINCE = "Admit PARTITION and each later one that is only unlike history: the world is so now."
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def asking_command(what: str, done: str, help: str, partition: Complete | None = None) -> click.Command:
    """A verb that records a request; the next tick acts on it. With `partition`, which completes what was typed of one,
    it takes one, before FILE."""
    named: Callable[[Any], Any] = click.argument("partition", shell_complete=partition) if partition else _nothing
    later: Callable[[Any], Any] = click.option("--since", is_flag=True, help=_SINCE) if partition else _nothing

    @click.command(help=help)
    @named
    @project_argument
    @later
    @click.option("--note", default="", help="Why; kept in the history.")
    @click.option("--by", default=None, help="Who asks; the user's name by default.")
    @output_option
    def command(
        project: Project, note: str, by: str | None, output: str, partition: str | None = None, since: bool = False
    ) -> None:
        from tidemill.adapters.system_clock import SystemClock
        from tidemill.loop.asking import ask

        from .wiring import open_server, open_state

        about = {"since" if since else "partition": partition}
        name = project.loop.metadata.name
        server = open_server(project)
        if server is not None:  # who asks there is whoever the token is of
            emit(server.ask(what, by or _user(), note, **about), output, _render(done, ""))
            return
        state = open_state(project, writes=True)
        request = ask(state, name, what, by or _user(), note, SystemClock().now(), **about)
        emit(request, output, _render(done, ": `tidemill run --once`"))

    return command


def _nothing(function: Any) -> Any:
    return function


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _render(done: str, how: str) -> Callable[[dict[str, Any]], str]:
    return lambda request: f"{done} (request {request['id']}). The next tick of the loop acts on it{how}."
