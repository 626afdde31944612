"""An error as a sentence: what a verb ends with, or what a daemon says and goes on."""

from __future__ import annotations

import click


def as_ours(error: Exception, verb: str) -> Exception:
    """The error itself; of a library of ours that is not installed, one that says what to install."""
    if not isinstance(error, ModuleNotFoundError):
        return error
    from tidemill.loop.errors import TidemillError

    from .extras import missing_text

    text = missing_text(verb, error.name or "")
    return error if text is None else TidemillError(text)


def is_expected(error: Exception) -> bool:
    """One that a person can act on. Any other is a fault of ours, and its trace is wanted."""
    return hasattr(error, "exit_code") or (isinstance(error, OSError) and bool(error.strerror))


def error_text(error: Exception) -> str:
    """What happened, to which object, and what to do now. Of a fault of ours its type and what it says."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror:
        from tidemill.adapters.remedy import remedy

        where = f": {error.filename}" if error.filename else ""
        todo = remedy(error, otherwise="")
        return f"{error.strerror}{where}. {todo}" if todo else f"{error.strerror}{where}"
    if is_expected(error):
        problems = getattr(error, "problems", ())
        return f"{len(problems)} problems\n{error}" if len(problems) > 1 else str(error)
    return f"{type(error).__name__}: {error}"
