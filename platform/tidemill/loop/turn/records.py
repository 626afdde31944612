"""What the steps of a turn recorded: each in work_uri/steps/<step>.json, whole or not at all.

The turn's result is read from there, on a laptop and on a cluster alike, and never from a metadata store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import ArtifactChanged, DataUnreadable, TemporaryError, TidemillError
from tidemill.loop.model import TurnRequest

from .files import join, names, read_bytes, remove, write_bytes
from .patience import patiently
from .request import from_json
from .user_code import TrainerFailed

STEPS = ("ingest", "validate", "features", "train", "evaluate", "refit", "register")
PASSED = "Passed"
ACCEPTED = str(Reason.ACCEPTED)
_REASONS = ((TrainerFailed, Reason.TRAINER_FAILED), (ArtifactChanged, Reason.ARTIFACT_CHANGED))


def load_request(uri: str, digest: str) -> TurnRequest:
    """Raises DataUnreadable where the request is not the one that was submitted, and says so beside it, in
    steps/request.json: what it names as its own folder is not to be trusted."""
    text = patiently(lambda: read_bytes(uri))
    found = "sha256:" + hashlib.sha256(text).hexdigest()
    if found != digest:
        message = f"The request at {uri} changed after the run was submitted: its digest is {found}, not {digest}. "
        message += "Nothing was done with it; the next turn writes its own."
        _write(uri.rpartition("/")[0], "request", _failure(Reason.PIPELINE_FAILED, message))
        raise DataUnreadable(message)
    return from_json(text.decode())


def record(request: TurnRequest, step: str, document: Mapping[str, Any]) -> dict[str, Any]:
    return _write(request.work_uri, step, document)


def _failure(reason: Reason, message: str, temporary: bool = False) -> dict[str, Any]:
    """`temporary` where something that the step needs was away: the turn may be run again as it is."""
    said = {"failed": True, "reason": str(reason), "message": message}
    return {**said, "temporary": True} if temporary else said


def _write(work_uri: str, step: str, document: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(document, sort_keys=True, default=str)
    write_bytes(join(work_uri, "steps", f"{step}.json"), text.encode())
    return dict(document)


def records(work_uri: str) -> dict[str, dict[str, Any]]:
    """What each step of a turn recorded so far, by step name, in the order of the pipeline."""
    folder = join(work_uri, "steps")
    found = [name.removesuffix(".json") for name in names(folder) if name.endswith(".json")]
    found.sort(key=lambda step: (STEPS.index(step) if step in STEPS else len(STEPS), step))
    return {step: json.loads(read_bytes(join(folder, f"{step}.json"))) for step in found}


def forget_failures(work_uri: str) -> None:
    """Before steps are run again. What the others recorded holds: the same step on the same input writes the same."""
    for step, found in records(work_uri).items():
        if found.get("failed"):
            remove(join(work_uri, "steps", f"{step}.json"))


@contextmanager
def explained(request: TurnRequest, step: str) -> Iterator[None]:
    """A step that raises says why in its record, then raises: the run fails, and nobody has to read a log."""
    try:
        yield
    except BaseException as error:
        message = str(error) if isinstance(error, TidemillError) else f"{type(error).__name__}: {error}"
        record(request, step, _failure(reason_of(error), message, isinstance(error, TemporaryError)))
        raise


def reason_of(error: BaseException) -> Reason:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.PIPELINE_FAILED)
