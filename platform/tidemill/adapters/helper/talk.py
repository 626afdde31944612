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
    anew by its arguments. What cannot travel is a RuntimeError of the same words."""
    told = "".join(traceback.format_exception(error))
    content = (type(error), error.args, error.__dict__)
    try:
        pickle.loads(pickle.dumps(content))
    except Exception:
        content = (RuntimeError, (f"{type(error).__name__}: {error}",), {})
    return (*content, told)


def unpacked(kind: type[Exception], args: tuple[Any, ...], content: dict[str, Any], told: str) -> Exception:
    error = kind.__new__(kind, *args)
    error.__dict__.update(content)
    error.add_note(f"In the helper process:\n{told}")  # a log that shows the trace shows this one, too
    return error
