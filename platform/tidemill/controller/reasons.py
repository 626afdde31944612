"""Every reason that a condition can have on a cluster besides those of the loop itself (decisions.verdict)."""

from __future__ import annotations

from enum import StrEnum


class ConditionReason(StrEnum):
    """Why. The text after each is what it means, once, for every place that shows it."""

    # conditions
    SERVING = "Serving"  # the champion answers
    ANSWERS = "Answers"  # the challenger is loaded; the message has the judge's figures of its answers
    FAILS = "Fails"  # the challenger is loaded, and fails most of its requests
    RECONCILED = "Reconciled"  # the last tick did all that it could
    INVALID_SPEC = "InvalidSpec"  # the spec is no ModelLoop; the message says what is wrong where
    UNAVAILABLE = "Unavailable"  # something does not answer now; it is tried again
    REFUSED = "Refused"  # the API server refuses something: a right, a quota, a policy
    FAILED = "Failed"  # something a person must mend; the message says what
    INTERNAL_ERROR = "InternalError"  # a bug; the controller's log has the trace
    ROLLOUT_NOT_SHOWN = "RolloutNotShown"  # the loop went on; its ModelRollout could not be written
    TICK_SLOW = "TickSlow"  # a tick hangs on something that does not answer
    PAUSED = "Paused"  # the annotation tidemill.dev/paused says so: nothing is done, but it goes on serving
    RELEASE_FAILED = "ReleaseFailed"  # it is being deleted, and cannot be released yet
