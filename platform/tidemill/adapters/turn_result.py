"""How a turn ended, from what its steps recorded: the same on a laptop, on Argo and on Kubeflow.

What ran the steps is asked only where none of them could say why it failed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.decisions.verdict import Reason
from tidemill.loop.model import Phase, TurnStatus
from tidemill.loop.turn.records import ACCEPTED, PASSED

KILLED = "its process ended without a word, as one does that runs out of memory"
_USERS = ("features", "train", "refit")  # steps that run the user's own code
_AWAY = "TemporaryError: "
_LAST_WORDS = re.compile(r"^\s*((?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Unexplained:
    """A run that failed where no step recorded why. `step` is empty where none failed; `killed` where its process was
    ended from outside, which for a step of the user's is the user's code (it ran out of memory); `lost` where its Pod
    was taken away, by a drained node or a person: nothing is wrong with the turn, which may be tried again. `look`
    says where more is to be found."""

    why: str
    step: str = ""
    killed: bool = False
    look: str = ""
    lost: bool = False


def concluded(steps: Mapping[str, Any], failure: Unexplained | None = None) -> dict[str, Any]:
    """`phase`, `reason`, `message`, `step` and `result`. A run without a failure whose steps do not say how it ended is
    a failure: a branch was skipped that should not have been."""
    failed = next(((name, record) for name, record in steps.items() if record.get("failed")), None)
    if failed is not None:
        name, record = failed
        if record.get("temporary"):
            return _again(record["message"], name)
        return _failed(record["reason"], record["message"], name)
    if failure is not None:
        return _unexplained(failure)
    validated, evaluated = steps.get("validate"), steps.get("evaluate")
    if validated is not None and validated["verdict"] != PASSED:
        return _succeeded(validated["verdict"], validated["message"], steps)
    if evaluated is not None and evaluated["verdict"] != ACCEPTED:
        return _succeeded(evaluated["verdict"], evaluated["message"], steps)
    if evaluated is not None and "register" in steps:
        return _succeeded(ACCEPTED, evaluated["message"], steps)
    done = ", ".join(steps) or "none"
    return _failed(str(Reason.PIPELINE_FAILED), f"The run ended without saying how; finished steps: {done}.", "")


def status_after(steps: Mapping[str, Any], failure: Unexplained | None) -> TurnStatus:
    """Of a run that has ended without success: unknown, so that it is submitted again, where it was lost before any
    step said that it failed."""
    if failure is not None and failure.lost and not any(record.get("failed") for record in steps.values()):
        step = f"Step {failure.step}" if failure.step else "The run"
        return TurnStatus(Phase.UNKNOWN, message=f"{step} was lost: {failure.why.rstrip('.')}", step=failure.step)
    return status_of(concluded(steps, failure))


def timed_out(steps: Mapping[str, Any], seconds: float, waited: str = "") -> dict[str, Any]:
    """`waited` is what kept the run from going on, where something did."""
    done = ", ".join(name for name, record in steps.items() if not record.get("failed")) or "none"
    message = (
        f"The turn took longer than model.timeout ({seconds:g} s) and was ended; finished steps: {done}. "
        f"{waited}{'. ' if waited else ''}Raise model.timeout, or make the trainer faster."
    )
    return _failed(str(Reason.TIMED_OUT), message, "")


def status_of(result: Mapping[str, Any]) -> TurnStatus:
    return TurnStatus(
        Phase(result["phase"]), Reason(result["reason"]), result["message"], result["step"], result["result"]
    )


def last_words(log: str) -> str:
    """The last error that a log names; empty where it names none."""
    words = _LAST_WORDS.findall(log)
    return str(words[-1]).strip() if words else ""


def _unexplained(failure: Unexplained) -> dict[str, Any]:
    why = f"{failure.why.rstrip('.')}. {failure.look}".rstrip()
    if _AWAY in failure.why:  # the store that is away is where its record should be
        return _again(why, failure.step)
    if not failure.step:
        return _failed(str(Reason.PIPELINE_FAILED), why, "")
    reason = Reason.TRAINER_FAILED if failure.step in _USERS and failure.killed else Reason.PIPELINE_FAILED
    return _failed(str(reason), f"Step {failure.step} failed: {why}", failure.step)


def _succeeded(reason: str, message: str, steps: Mapping[str, Any]) -> dict[str, Any]:
    return {"phase": str(Phase.SUCCEEDED), "reason": reason, "message": message, "step": "", "result": dict(steps)}


def _again(message: str, step: str) -> dict[str, Any]:
    """Of a run that ended because something that it needs was away: it is submitted again."""
    said = f"Step {step} could not go on: {message}" if step else message
    return {**_failed(str(Reason.PIPELINE_FAILED), said, step), "phase": str(Phase.UNKNOWN)}


def _failed(reason: str, message: str, step: str) -> dict[str, Any]:
    return {"phase": str(Phase.FAILED), "reason": reason, "message": message, "step": step, "result": {}}


def ended_or_late(status: Callable[[str], TurnStatus], turn: str, seconds: float, poll: float) -> TurnStatus:
    """Looks every `poll` seconds until the run has ended or the time is over."""
    until = time.monotonic() + seconds
    found = status(turn)
    while found.phase is Phase.RUNNING and time.monotonic() < until:
        time.sleep(poll)
        found = status(turn)
    return found
