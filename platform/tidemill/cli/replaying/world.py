"""The history that a replay lives through: found by name, delivered a day at a time."""

from __future__ import annotations

import sys
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

_DATES = ("start", "live_from", "end")
_METHODS = ("delivered(day)", "labels(now, since)", "truth(day)", "faults()")


def load_world(folder: Path, world: str, options: dict[str, Any]) -> Any:
    """The world's object. Raises UsageError naming what does not import, or what a world must have and this one has
    not."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module, _, name = world.partition(":")
    try:
        found = getattr(import_module(module), name)(**options)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise click.UsageError(f"--world {world}: {error}. Give module:Class, importable from {folder}.") from error
    wanted = [name.partition("(")[0] for name in (*_DATES, *_METHODS)]
    absent = [name for name in wanted if not hasattr(found, name)]
    if absent:
        raise click.UsageError(
            f"--world {world} has no {', no '.join(absent)}. A world has the dates {', '.join(_DATES)} and the methods "
            f"{', '.join(_METHODS)}, as examples/flights/flights/world.py has them."
        )
    return found


def deliver(folder: Path, day: date, batch: pd.DataFrame) -> None:
    """Written aside and renamed, so that nobody reads half a day."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{day}.parquet.part"
    batch.to_parquet(aside, index=False)
    aside.rename(folder / f"{day}.parquet")
