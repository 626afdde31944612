"""Puts a loop together from its project and profile: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .project import all_here

if TYPE_CHECKING:
    from tidemill.adapters.server_client import ServerClient
    from tidemill.gateway.server import Gateway
    from tidemill.loop.context import Context
    from tidemill.loop.ports import Clock, DataSource, Outcomes, PredictionLog, State

    from .project import Project

Tell = Callable[[str, datetime, str, str], None]


def open_context(
    project: Project,
    gateway: Gateway | None = None,
    tell: Tell | None = None,
    source: DataSource | None = None,
) -> Context:
    """Every port of a loop on one machine. Without a gateway it is to be looked at alone: the data plane is another
    process (`tidemill serve`), and a home that is not there yet is not made."""
    from tidemill.adapters.great_expectations import GreatExpectationsValidator
    from tidemill.adapters.local.pipelines import LocalPipelines
    from tidemill.adapters.mlflow_registry import MlflowRegistry
    from tidemill.adapters.notifiers import CallNotifier, NoNotifier
    from tidemill.loop.context import Context, Ports

    name = project.loop.metadata.name
    tracking_uri = project.profile.spec.tracking or f"sqlite:///{project.home}/mlflow.db"
    ports = Ports(
        source=source or open_source(project),
        log=open_log(project),
        outcomes=open_outcomes(project),
        registry=MlflowRegistry(tracking_uri, project.home / "artifacts"),
        serving=open_serving(project, name, gateway),
        # Whoever has a data plane in hand is there to stay, and to run turns.
        pipelines=LocalPipelines(project.home / "turns", warm=gateway is not None),
        validator=GreatExpectationsValidator(),
        notifier=NoNotifier() if tell is None else CallNotifier(tell),
        state=open_state(project, writes=gateway is not None),
    )
    return Context(project.loop, project.folder, project.home, tracking_uri, ports)


def open_state(project: Project, writes: bool = False) -> State:
    """For who only reads, a file that is not there yet is an empty store, and is not made."""
    from tidemill.adapters.sql.state import SqlState

    file = project.home / "state.db"
    here = f"sqlite:///{file}" if writes or file.exists() else "sqlite://"
    return SqlState(project.profile.spec.state or here)


def open_server(project: Project) -> ServerClient | None:
    """The server that the profile names to be asked. None: the loop is in the files here, all of it."""
    address = project.profile.spec.server
    if address is None:
        all_here(project)
        return None
    from tidemill.adapters.server_client import ServerClient, read_token

    return ServerClient(address.url, address.namespace, project.loop.metadata.name, read_token(address.token_file))


def open_log(project: Project) -> PredictionLog:
    from tidemill.adapters.log.prediction_log import ParquetPredictionLog

    return ParquetPredictionLog(project.home / "predictions")


def open_outcomes(project: Project) -> Outcomes:
    from tidemill.adapters.local.outcomes import SqliteOutcomes

    return SqliteOutcomes(project.home / "outcomes")


def open_source(project: Project) -> DataSource:
    from tidemill.adapters.file_source import FileSource

    source, key = project.loop.spec.data.source, project.loop.spec.data.key
    if source.parquet is not None:
        return FileSource(project.folder, source.parquet, "parquet", key)
    assert source.csv is not None, "the spec takes exactly one source"
    return FileSource(project.folder, source.csv, "csv", key)


def open_serving(project: Project, name: str, gateway: Gateway | None):  # type: ignore[no-untyped-def]
    from tidemill.adapters.embedded_serving import EmbeddedServing
    from tidemill.adapters.route_file import RouteFile

    routes = RouteFile(project.home / "routes")
    return EmbeddedServing(name, routes, None if gateway is None else gateway.loader(name))


def open_gateway(project: Project, clock: Clock, port: int | None = None) -> Gateway:
    """The data plane inside this process, not started yet."""
    from tidemill.gateway.server import Gateway

    address = project.profile.spec.gateway
    gateway = Gateway(
        loops={project.loop.metadata.name: project.loop},
        log=open_log(project),
        outcomes=open_outcomes(project),
        clock=clock,
        host=address.host,
        port=address.port if port is None else port,
    )
    tell_damage(gateway, [project.home / "predictions"])
    return gateway


def tell_damage(gateway: Gateway, logs: Sequence[Path]) -> None:
    """`logs`: folders of prediction logs, or a folder that holds some."""
    from tidemill.adapters.log.damaged import damaged_in

    said = "Lines and parts of the prediction log that are damaged and set aside."
    gateway.metrics.gauge("prediction_log_damaged", said, lambda: sum(sum(damaged_in(log)) for log in logs))
