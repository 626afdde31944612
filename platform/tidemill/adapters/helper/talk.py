"""What parent and helper say to each other: pickles over a socket that nobody else has."""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable
from typing import Any

CALL, SAID, DONE, FAILED, ALIVE = "call", "said", "done", "failed", "alive"
BEAT = 5.0  # seconds between two signs of life, at most

_here = threading.local()


def say(what: Any) -> None:
    """Tells something to whoever made the call that this thread serves, before it is answered."""
    speak: Callable[[Any], None] | None = getattr(_here, "speak", None)
    if speak is None:
        raise RuntimeError("say() belongs into a call that a helper serves")
    speak(what)


def serve(speak: Callable[[Any], None]) -> None:
    """This thread serves a call from now on."""
    _here.speak = speak


def packed(error: Exception) -> tuple[Any, ...]:
    """An exception so that it can be raised again elsewhere: by its class and content, since not every one can be made
    anew by its arguments. One that is neither ours nor Python's own travels as its name and its words: the other side
    shall not import the library that it is of."""
    told = "".join(traceback.format_exception(error))
    kind = type(error)
    if kind.__module__.partition(".")[0] in ("builtins", "tidemill"):
        try:
            content = (kind, error.args, error.__dict__)
            pickle.loads(pickle.dumps(content))
            return (*content, told)
        except Exception:
            pass
    return (kind.__name__, (str(error),), {}, told)


def unpacked(kind: type[Exception] | str, args: tuple[Any, ...], content: dict[str, Any], told: str) -> Exception:
    named = type(kind, (RuntimeError,), {}) if isinstance(kind, str) else kind
    error: Exception = named.__new__(named, *args)
    error.__dict__.update(content)
    error.add_note(f"In the helper process:\n{told}")  # a log that shows the trace shows this one, too
    return error
