"""The project a verb works on: its ModelLoop, the folder that its code is in, and where its state lives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tidemill.spec.model_loop import ModelLoop
    from tidemill.spec.profile import Profile

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Project:
    """`path` is the ModelLoop's file, `folder` the one it is in, `home` where state, logs and models live."""

    loop: ModelLoop
    path: Path
    folder: Path
    home: Path
    profile: Profile


def open_project(path: Path, profile: Path | None = None) -> Project:
    """Reads a project and makes its home. Raises SpecError with every problem of its files."""
    from tidemill.spec.find import find_loop
    from tidemill.spec.loading import load_loop, load_profile

    file = find_loop(path).resolve()
    loop, where = load_loop(file), load_profile(profile)
    home = file.parent / Path(where.spec.home).expanduser()
    home.mkdir(parents=True, exist_ok=True)
    return Project(loop, file, file.parent, home, where)


def project_argument(function: F) -> F:
    """Gives a verb the argument FILE and the option --profile; the function gets `project: Project`."""

    @click.argument("file", default=".", type=click.Path(path_type=Path))
    @click.option(
        "--profile",
        type=click.Path(path_type=Path),
        envvar="TIDEMILL_PROFILE",
        help="A Profile: where the loop runs. Everything is local by default.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, file: Path, profile: Path | None, **kwargs: Any) -> Any:
        return function(*args, project=open_project(file, profile), **kwargs)

    return wrapper  # type: ignore[return-value]


def lives_here(project: Project, verb: str) -> None:
    """Raises UsageError where the profile names a server: nothing of the loop is in the files here."""
    address = project.profile.spec.server
    if address is not None:
        raise click.UsageError(
            f"`tidemill {verb}` is about the loop of the files here, and the profile names the server {address.url}, "
            "where its loop lives. Leave the profile out; `tidemill status` and `tidemill history` ask the server."
        )
