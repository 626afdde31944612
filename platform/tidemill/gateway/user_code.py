"""A model is user code: whatever it raises ends its own call and nothing else.

`SystemExit` and its kind are no `Exception`. In a worker thread they end the thread, in an event loop the server, and a
future cannot carry `StopIteration` at all. What ends the process itself (os._exit, a crash in native code, the kernel
that is out of memory) ends all versions in it: only a model server, a process for each version, keeps that apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .scoring import ModelFailed

T = TypeVar("T")


def failure(error: BaseException) -> ModelFailed:
    """What a model raised, as what can be handed on."""
    if isinstance(error, ModelFailed):
        return error
    name = type(error).__name__
    try:
        return ModelFailed(f"{name}: {error}")
    except BaseException:  # its __str__ is user code, too
        return ModelFailed(name)


def loading(load: Callable[[], T]) -> T:
    """What `load` returns. Raises what it raises, and ModelFailed in place of what is no Exception; a Ctrl-C of the
    person before the terminal stays one."""
    try:
        return load()
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise failure(error) from error
