"""Puts a loop together from its project and profile: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.adapters.sql_state import SqlState
    from tidemill.gateway.server import Gateway
    from tidemill.loop.context import Context
    from tidemill.loop.ports import Clock, DataSource, Serving

    from .project import Project

Tell = Callable[[str, datetime, str, str], None]


def open_state(project: Project) -> SqlState:
    from tidemill.adapters.sql_state import SqlState

    return SqlState(project.profile.spec.state or f"sqlite:///{project.home}/state.db")


def open_source(project: Project) -> DataSource:
    from tidemill.adapters.file_source import FileSource

    source = project.loop.spec.data.source
    if source.parquet is not None:
        return FileSource(project.folder, source.parquet, "parquet")
    assert source.csv is not None
    return FileSource(project.folder, source.csv, "csv")


def open_gateway(project: Project, clock: Clock, host: str | None = None, port: int | None = None) -> Gateway:
    """The data plane inside this process, not started yet."""
    from tidemill.adapters.outcomes import ParquetOutcomes
    from tidemill.adapters.prediction_log import ParquetPredictionLog
    from tidemill.gateway.server import Gateway

    address = project.profile.spec.gateway
    return Gateway(
        loops={project.loop.metadata.name: project.loop},
        log=ParquetPredictionLog(project.home / "predictions"),
        outcomes=ParquetOutcomes(project.home / "outcomes"),
        clock=clock,
        host=host or address.host,
        port=address.port if port is None else port,
    )
