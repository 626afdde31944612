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

# Fields of a profile that nothing here reads, and what is done here instead.
CONTROLLERS = {
    "storage": "here everything lies in `home`",
    "pipelines": "here turns are processes of this machine",
    "serving": "here the data plane's own process serves versions",
    "names": "here history names who runs the command",
}


@dataclass(frozen=True)
class Project:
    """`path` is the ModelLoop's file, `folder` the one it is in, `home` where state, logs and models live; `where` is
    the profile's file, if there is one."""

    loop: ModelLoop
    path: Path
    folder: Path
    home: Path
    profile: Profile
    where: Path | None = None


def open_project(path: Path, profile: Path | None = None) -> Project:
    """Reads a project; what is to be written makes its home. Raises SpecError with every problem of its files."""
    from tidemill.spec.find import find_loop
    from tidemill.spec.loading import load_loop, load_profile

    file = find_loop(path).resolve()
    loop, place = load_loop(file), load_profile(profile)
    home = file.parent / Path(place.spec.home).expanduser()
    return Project(loop, file, file.parent, home, place, profile)


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
    """Raises UsageError where the profile names a server: nothing of the loop is in the files here. And what `all_here`
    raises."""
    address = project.profile.spec.server
    if address is not None:
        raise click.UsageError(
            f"`tidemill {verb}` is about the loop of the files here, and the profile names the server {address.url}, "
            "where its loop lives. Leave the profile out; `tidemill status` and `tidemill history` ask the server."
        )
    all_here(project)


def all_here(project: Project) -> None:
    """Raises SpecError where the profile says what a cluster's controller alone reads: whoever wrote that believes that
    the loop runs there, and here nothing would follow it."""
    from tidemill.spec.errors import SpecError
    from tidemill.spec.loading import find_document
    from tidemill.spec.profile import ProfileSpec

    here = ProfileSpec()
    said = [name for name in CONTROLLERS if getattr(project.profile.spec, name) != getattr(here, name)]
    if not said:
        return
    assert project.where is not None, "without a profile everything is here"
    document = find_document(project.where, "Profile")
    hint = "Apply the ModelLoop on that cluster, or take this out."
    raise SpecError(
        [
            document.problem(("spec", name), f"only the controller of a cluster reads this; {CONTROLLERS[name]}", hint)
            for name in said
        ]
    )
