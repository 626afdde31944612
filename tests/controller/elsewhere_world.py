"""Ticks of which some need what this process may not import: the place of controller_world, whose data takes a library
to be read, in a helper process that tests have killed."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from api_double import ApiDouble
from controller_world import FilePlace
from durable import WRITES, Killer
from tidemill.adapters.sql.database import Database
from tidemill.loop.context import Context
from tidemill.loop.errors import TidemillError

LIBRARY = "heavy_reader"  # a module in the folder `libraries`, which only what may be heavy imports
KILL, REFUSE, BREAK = "kill", "refuse", "break"  # files that tell the helper what to do


class ReadingPlace(FilePlace):
    def context(self, *arguments: Any) -> Context:
        context = super().context(*arguments)
        source: Any = context.ports.source
        source.read = functools.partial(_read, source.read)
        return context


def _read(read: Any, partition: Any) -> Any:
    import heavy_reader  # noqa: F401

    return read(partition)


class TroubledPlace(ReadingPlace):
    """The helper's: it dies at the write that a file names, once; or fails, while a file says so."""

    def context(self, *arguments: Any) -> Context:
        if (self.folder / REFUSE).exists():
            raise TidemillError("The store wants a key.")
        if (self.folder / BREAK).exists():
            raise KeyError("what")
        context = super().context(*arguments)
        order = self.folder / KILL
        if order.exists():
            at, after = order.read_text().split()
            order.unlink()
            killer = Killer(int(at), after == "after")
            for port, methods in WRITES.items():
                if hasattr(thing := getattr(context.ports, port), methods[0]):
                    killer.wrap(thing, methods)
        return context


def opened(folder: Path) -> Any:
    """In the helper: all that a turn imports is there before the first one."""
    import sklearn.compose
    import sklearn.linear_model  # noqa: F401
    import tidemill.loop.turn.training  # noqa: F401

    (folder / "helpers").open("a").write(f"{os.getpid()}\n")
    return TroubledPlace(folder, ApiDouble(), Database(f"sqlite:///{folder}/state.db"))
