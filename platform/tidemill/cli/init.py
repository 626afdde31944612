"""`tidemill init`: a small project that runs at once, without a network."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import click

import tidemill

from .output import emit, output_option

TEMPLATES = ("loop.yaml", "model.py", "visits.py", "expectations.json", "request.json", "README.md")
FILES = (*TEMPLATES, "Dockerfile", ".dockerignore", ".gitignore")
IGNORED = ".tidemill/\n__pycache__/\n"
# The data lies in a bucket there; and what changes daily would make a new image of the same code.
NOT_IN_THE_IMAGE = IGNORED + "data/\n"
DOCKERFILE = """\
# This project for a cluster: Tidemill's components and the code beside this file. Turns and model servers run in it.
ARG COMPONENTS=tidemill/components:$version
FROM ${COMPONENTS}
COPY . /project
# What your trainer imports besides:
# USER root
# RUN pip install --no-cache-dir lightgbm
# USER 65532:65532
"""
DAYS = 45


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", help="The model's name; the folder's by default.")
@click.option("--force", is_flag=True, help="Write into a folder that holds other files; replaces those of a project.")
@output_option
def command(folder: Path, name: str | None, force: bool, output: str) -> None:
    """Make a small project in DIR that runs at once: data, model, expectations, loop.yaml and a README."""
    chosen = name or name_from(folder)
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", chosen):
        raise click.BadParameter(
            f"{chosen!r}: use a-z, 0-9 and '-', at most 63, as Kubernetes does.", param_hint="--name"
        )
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise click.UsageError(f"{folder} is not empty. Name another folder, or write into it with --force.")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    write_project(folder, chosen, yesterday)
    emit({"folder": str(folder), "name": chosen, "files": [*FILES, "data/"], "days": DAYS}, output, _render)


def name_from(folder: Path) -> str:
    """The nearest name that Kubernetes takes."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return plain[:63].rstrip("-") or "model"


def write_project(folder: Path, name: str, last_day: date) -> None:
    """Writes the project's files and its data, whose last day is `last_day`; the request to try is of the next."""
    from .template.visits import write_days

    folder.mkdir(parents=True, exist_ok=True)
    template = resources.files("tidemill.cli") / "template"
    for file in TEMPLATES:
        text = (template / file).read_text(encoding="utf-8")
        text = text.replace("$name", name).replace("$today", str(last_day + timedelta(days=1)))
        (folder / file).write_text(text, encoding="utf-8")
    (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    (folder / ".dockerignore").write_text(NOT_IN_THE_IMAGE, encoding="utf-8")
    (folder / "Dockerfile").write_text(DOCKERFILE.replace("$version", tidemill.__version__), encoding="utf-8")
    write_days(folder / "data", last_day, DAYS)


def _render(data: dict[str, Any]) -> str:
    return (
        f"{data['folder']} holds the project {data['name']}, with {data['days']} days of data. Next:\n\n"
        f"  cd {data['folder']}\n  tidemill run --once\n\nIts README.md says how to go on."
    )
