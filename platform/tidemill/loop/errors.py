"""Errors as vocabulary: each says what happened, to which object, and what to do now."""

from __future__ import annotations


class TidemillError(Exception):
    """Something a person can act on; shown without a stack trace. `exit_code` is what the CLI ends with."""

    exit_code = 1


class TemporaryError(TidemillError):
    """Trying again later may help: the tick is left, nothing is lost, and the next tick tries again."""


class LeaseHeld(TidemillError):
    """Another process acts for this loop."""

    exit_code = 3


class DataUnreadable(TidemillError):
    """The bytes of a partition that was delivered, or of a file that the command line names, are no table."""

    exit_code = 2  # the file is wrong


class SuiteUnusable(TidemillError):
    """The expectation suite cannot be read, or is no suite: what arrives waits for it, and is not judged without."""


class VersionUnknown(TidemillError):
    """The registry has no such version."""


class ArtifactChanged(TidemillError):
    """Files are not what was registered, or not what the step before wrote; they are not loaded."""


class NotReady(TidemillError):
    """A version cannot answer yet."""


class NothingToDo(TidemillError):
    """A person asked for something that the present state has no place for (approve without a rollout, say)."""


class LabelRefused(TidemillError):
    """A label is not one of the task's."""

    exit_code = 2  # what was handed in is wrong
