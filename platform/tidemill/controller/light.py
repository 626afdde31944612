"""Ticks without heavy libraries. Most find nothing to do, and a controller that has imported pandas for one that did
would keep 300 MiB of it for good.

So a tick begins here, where what is heavy is refused; where it would import such a thing, it is left at that very
point, as if it had been killed there, which every tick bears, and is taken again where that may be imported.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

HEAVY = frozenset({"great_expectations", "mlflow", "pandas", "pyarrow", "scipy", "sklearn"})

_here = threading.local()


class Heavy(BaseException):
    """This thread was to import what it may not. No Exception: nobody on the way may take it for an error of theirs,
    such as a table that cannot be read."""


@contextmanager
def light() -> Iterator[None]:
    """Inside, this thread imports nothing heavy that is not there already: it is left with Heavy instead."""
    if not any(isinstance(finder, _Refusing) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Refusing())
    _here.refuses = True
    try:
        yield
    finally:
        _here.refuses = False


class _Refusing(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if getattr(_here, "refuses", False) and name.partition(".")[0] in HEAVY:
            raise Heavy(name)
        return None
