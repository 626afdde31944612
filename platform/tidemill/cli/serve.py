"""`tidemill serve`: the data plane alone, for one loop or several, from the routes that `tidemill run` has stored."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .port import port_option
from .project import Project, all_here, open_project

if TYPE_CHECKING:
    from tidemill.adapters.route_file import RouteFile
    from tidemill.gateway.server import Gateway


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--host", help="Address to listen on; the profile's by default (this machine alone).")
@port_option("Port; the profile's by default. 0: any free one.")
@click.option("--profile", type=click.Path(path_type=Path), envvar="TIDEMILL_PROFILE", help="A Profile.")
def command(files: tuple[Path, ...], host: str | None, port: int | None, profile: Path | None) -> None:
    """Answer requests: the data plane alone.

    FILES are ModelLoops or their folders, here by default. A route that changes is followed within a second.
    """
    from tidemill.gateway.following import Follower

    projects = [open_project(file, profile) for file in files or (Path(),)]
    for project in projects:
        all_here(project)
    _one_name_each(projects)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    gateway = _gateway(projects, host, port)
    follower = Follower(gateway, {project.loop.metadata.name: _routes(project) for project in projects})
    follower.poll()
    gateway.start()
    for project in projects:
        click.echo(
            f"{project.loop.metadata.name} answers at {gateway.url}/v2/models/{project.loop.metadata.name}/infer"
        )
    try:
        follower.follow(stop)
    finally:
        follower.close()
        gateway.stop()


def _gateway(projects: list[Project], host: str | None, port: int | None) -> Gateway:
    from tidemill.adapters.system_clock import SystemClock
    from tidemill.gateway.server import Gateway

    from .wiring import open_log, open_outcomes, tell_damage

    address = projects[0].profile.spec.gateway
    first, *others = projects
    gateway = Gateway(
        loops={first.loop.metadata.name: first.loop},
        log=open_log(first),
        outcomes=open_outcomes(first),
        clock=SystemClock(),
        host=host or address.host,
        port=address.port if port is None else port,
    )
    for project in others:
        gateway.add(project.loop, open_log(project), open_outcomes(project))
    tell_damage(gateway, [project.home / "predictions" for project in projects])
    # A model may name its trainer's classes instead of containing them.
    sys.path.extend(str(project.folder) for project in projects)
    return gateway


def _routes(project: Project) -> RouteFile:
    from tidemill.adapters.route_file import RouteFile

    return RouteFile(project.home / "routes")


def _one_name_each(projects: list[Project]) -> None:
    names = [project.loop.metadata.name for project in projects]
    homes = [project.home for project in projects]
    for project in projects:
        if names.count(project.loop.metadata.name) > 1:
            raise click.UsageError(f"Two loops are named {project.loop.metadata.name}: serve them at two ports.")
        if homes.count(project.home) > 1:
            raise click.UsageError(
                f"Two loops keep their predictions in {project.home}: give each a folder of its own."
            )
