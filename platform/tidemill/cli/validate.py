"""`tidemill validate`: everything that is wrong with a project, at once, before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .output import emit, output_option

if TYPE_CHECKING:
    from tidemill.spec.errors import Problem


@click.command()
@click.argument("file", default=".", type=click.Path(path_type=Path))
@click.option("--profile", type=click.Path(path_type=Path), envvar="TIDEMILL_PROFILE", help="A Profile to check, too.")
@click.option("--imports/--no-imports", default=True, help="Import trainer, baseline and features.")
@output_option
def command(file: Path, profile: Path | None, imports: bool, output: str) -> None:
    """Check a ModelLoop and everything it names. Ends with 2 where anything is wrong.

    Each problem is a line: file, line, field, what is wrong, and the nearest right thing. Your functions are imported
    to see that they can be called.
    """
    from tidemill.adapters.data_columns import unknown_columns
    from tidemill.adapters.expectation_suite import suite_problems
    from tidemill.spec.checking import check_loop
    from tidemill.spec.errors import SpecError, shown
    from tidemill.spec.find import find_loop
    from tidemill.spec.loading import load_profile

    path = find_loop(file)
    findings = check_loop(path, imports, suite_problems, unknown_columns)
    problems = list(findings.problems)
    try:
        load_profile(profile)
    except SpecError as error:
        problems += error.problems
    if output == "text":
        _tell(findings.warnings)
        if problems:
            raise SpecError(problems)
    data = {
        "valid": not problems,
        "file": shown(path),
        "loop": None if findings.loop is None else findings.loop.metadata.name,
        "problems": [problem.as_dict() for problem in problems],
        "warnings": [warning.as_dict() for warning in findings.warnings],
    }
    emit(data, output, _render)
    if problems:
        raise click.exceptions.Exit(SpecError.exit_code)


def _tell(warnings: tuple[Problem, ...]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def _render(data: dict[str, Any]) -> str:
    return f"{data['file']}: the ModelLoop {data['loop']} is valid."
