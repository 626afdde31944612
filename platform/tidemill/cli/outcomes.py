"""`tidemill outcomes`: labels by file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .output import emit, output_option
from .project import Project, project_argument


@click.command()
@project_argument
@click.option(
    "--from", "path", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV or Parquet with the loop's key column and its label column.",
)  # fmt: skip
@output_option
def command(project: Project, path: Path, output: str) -> None:
    """Send labels that came true, from a file. Sending them again changes nothing."""
    from tidemill.adapters.file_source import read_table
    from tidemill.adapters.system_clock import SystemClock
    from tidemill.loop.errors import LabelRefused
    from tidemill.loop.frames import canonical, labels_of

    from .wiring import open_outcomes, open_server

    data = project.loop.spec.data
    frame = read_table(path, data.key)
    missing = [name for name in (data.key, data.label.column) if name not in frame]
    if missing:
        raise click.UsageError(
            f"{path} has no column {' and no column '.join(missing)}; it has {', '.join(map(str, frame.columns))}."
        )
    keyless = frame[data.key].isna() & frame[data.label.column].notna()
    if keyless.any():
        raise LabelRefused(f"Row {keyless.to_numpy().argmax() + 1} of {path} has a label and no key. None was sent.")
    labels, wrong = labels_of(canonical(frame[[data.key, data.label.column]], data), data)
    if wrong:
        raise LabelRefused(f"{path} holds a label that is neither 0 nor 1: {wrong}. None was sent.")
    server = open_server(project)
    if server is not None:
        emit(server.record(list(zip(labels["key"], labels["label"], strict=True))), output, _render)
        return
    receipt = open_outcomes(project).record(labels, SystemClock().now(), f"file {path.name}")
    emit({"new": receipt.new, "duplicate": receipt.duplicate, "conflicting": receipt.conflicting}, output, _render)


def _render(data: dict[str, Any]) -> str:
    return (
        f"{data['new']} new labels, {data['duplicate']} known already, "
        f"{data['conflicting']} that contradict an earlier one (kept aside)."
    )
