"""`tidemill server`: the HTTP API, the inbox of events, /metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .port import port_option
from .project import all_here, open_project

if TYPE_CHECKING:
    from tidemill.adapters.sql.catalog import Catalog
    from tidemill.server.access import Guard


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, envvar="TIDEMILL_SERVER_HOST", help="Address.")
@port_option(default=8081, envvar="TIDEMILL_SERVER_PORT")
@click.option(
    "--state",
    envvar="TIDEMILL_STATE_URL",
    help="SQLAlchemy URL of the store that all loops of all namespaces share. Without it, those of FILES.",
)
@click.option(
    "--auth",
    type=click.Choice(["none", "kubernetes"]),
    default="none",
    show_default=True,
    envvar="TIDEMILL_SERVER_AUTH",
    help="none: for this machine alone. kubernetes: tokens are reviewed by the cluster, RBAC decides.",
)
@click.option("--audience", envvar="TIDEMILL_SERVER_AUDIENCE", help="Whom tokens must be made for; the API server.")
@click.option("--profile", type=click.Path(path_type=Path), envvar="TIDEMILL_PROFILE", help="A Profile.")
def command(
    files: tuple[Path, ...], host: str, port: int, state: str | None, auth: str, audience: str | None,
    profile: Path | None,
) -> None:  # fmt: skip
    """Serve the HTTP API: status, history, requests, outcomes, events, metrics.

    FILES are ModelLoops or their folders, here by default; with --state they are not read.
    """
    from tidemill.adapters.kubernetes.wake import KubernetesWake, no_wake
    from tidemill.adapters.stated_clock import open_clock
    from tidemill.server.access import NoGuard
    from tidemill.server.api import Api, Wake
    from tidemill.server.run import serve

    if state and files:
        raise click.UsageError("Name files or --state, not both: the store knows its loops.")
    guard: Guard = NoGuard()
    wake: Wake = no_wake
    if auth == "kubernetes":
        from tidemill.adapters.kubernetes.api import KubernetesApi
        from tidemill.adapters.kubernetes.auth import KubernetesAuth
        from tidemill.server.auth import TokenGuard

        api = KubernetesApi(seconds=5.0)  # somebody waits for the answer
        guard, wake = TokenGuard(KubernetesAuth(api, audience)), KubernetesWake(api)
    catalog = _shared(state) if state else _local(files or (Path(),), profile)
    serve(Api(catalog, guard, open_clock(), wake), host, port, lambda url: click.echo(f"The server answers at {url}"))


def _shared(state: str) -> Catalog:
    from tidemill.adapters.sql.catalog import SharedCatalog
    from tidemill.adapters.sql.database import Database

    return SharedCatalog(Database(state, durable=True))


def _local(files: tuple[Path, ...], profile: Path | None) -> Catalog:
    from tidemill.adapters.local.outcomes import SqliteOutcomes
    from tidemill.adapters.sql.catalog import LocalCatalog
    from tidemill.adapters.sql.database import Database
    from tidemill.adapters.sql.state import SqlState

    projects = []
    for project in (open_project(file, profile) for file in files):
        all_here(project)
        store = Database(project.profile.spec.state or f"sqlite:///{project.home}/state.db", durable=True)
        projects.append((project.loop.metadata.name, SqlState(store), SqliteOutcomes(project.home / "outcomes")))
    return LocalCatalog(projects)
