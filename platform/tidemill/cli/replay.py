"""`tidemill replay`: a loop lives through history, day by day, beside the policies that it is compared with."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .output import emit, output_option
from .project import Project, all_here, project_argument


@click.command()
@project_argument
@click.option("--world", required=True, help="module:Class of the history to live through, imported from the project.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where results go.")
@click.option("--days", type=click.IntRange(min=1), help="Only the first N live days.")
@click.option("--seed", type=int, default=None, help="The world's seed; its own default where not given.")
@click.option("--compare/--alone", default=True, help="Also run never, weekly and weekly through rollouts.")
@output_option
def command(
    project: Project, world: str, out: Path, days: int | None, seed: int | None, compare: bool, output: str
) -> None:
    """Live through history with the real loop and write results.json and report.html."""
    all_here(project)
    # Two loops share the cores here; threads that spin for a core that another holds are ten times slower than one.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from .replaying.run import replay
    from .replaying.table import render

    options = {key: value for key, value in (("days", days), ("seed", seed)) if value is not None}
    quiet = output == "json"
    results = replay(project, world, options, out, compare, tell=(lambda _line: None) if quiet else click.echo)
    emit({key: results[key] for key in ("policies", "corrupted_days", "clean_days", "sabotaged")}, output,
         lambda _data: render(results, out))  # fmt: skip
