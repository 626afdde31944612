"""`tidemill admit`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from .asking import asking_command


def _quarantined(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The partitions to choose from, for the shell's completion; none where looking would take long, or fails."""
    with suppress(Exception):
        from tidemill.loop.documents.partition import PartitionDocument
        from tidemill.loop.documents.store import read_all

        from .project import open_project
        from .wiring import open_state

        project = open_project(context.params.get("file") or Path(), context.params.get("profile"))
        spec = project.profile.spec
        if spec.server is None and spec.state is None:  # neither may keep a shell waiting
            partitions = read_all(open_state(project), project.loop.metadata.name, PartitionDocument)
            ids = sorted(partition.id for partition in partitions if not partition.admitted)
            return [id for id in ids if id.startswith(incomplete)]
    return []


command = asking_command(
    "admit",
    "Asked for admission",
    "Let a quarantined PARTITION in, or with --since every one from it on: what is new in them is right.",
    partition=_quarantined,
)
