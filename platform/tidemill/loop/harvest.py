"""Harvests turns: what came of the one that runs, once and whatever was killed meanwhile."""

from __future__ import annotations

from datetime import datetime

from tidemill.decisions.verdict import Reason

from .champions import crown
from .context import Context, Event
from .documents.signal import SignalDocument
from .documents.store import to_write
from .documents.turn import TurnDocument
from .images import moved
from .model import Phase, TurnStatus
from .rollouts import begin_rollout
from .turn.request import read_request
from .turns import running_turn, submitted

MAX_ATTEMPTS = 5  # of which each but the first makes up for one that was lost to no fault of the turn


def harvest_turn(context: Context, now: datetime) -> None:
    turn = running_turn(context)
    if turn is None:
        return
    status = context.ports.pipelines.status(turn.id)
    if status.phase is Phase.RUNNING:
        context.wait(Event(now, "turn.running", Reason.TURN_RUNNING, f"Turn {turn.id} runs: {status.step or '...'}."))
    elif status.phase is Phase.UNKNOWN and turn.attempts < MAX_ATTEMPTS:
        _resubmit(context, turn, status.message, now)
    else:
        turn = _known_images(context, turn, status, now)
        (_finish if status.phase is Phase.SUCCEEDED else _fail)(context, turn, status, now)


def _known_images(context: Context, turn: TurnDocument, status: TurnStatus, now: datetime) -> TurnDocument:
    """The turn with the digests of the image that its steps ran; tells where that is not the image of before."""
    digests = sorted(status.images.get(turn.image, ()))
    message = moved(turn, digests, context.documents(TurnDocument))
    if message:
        event = Event(now, "image.moved", Reason.IMAGE_MOVED, message, {"turn": turn.id, "digests": digests})
        context.record(event, [], f"turn/{turn.id}/image")
    return turn.model_copy(update={"image_digests": tuple(digests)}) if digests else turn


def _resubmit(context: Context, turn: TurnDocument, why: str, now: datetime) -> None:
    """Recorded but not under way: this process, or its run, was killed in between, or its run lost a Pod."""
    again = turn.model_copy(update={"attempts": turn.attempts + 1})
    context.state.transact(context.name, [to_write(again, turn.id)])
    if not submitted(context, read_request(turn.work_uri)):
        context.state.transact(context.name, [to_write(turn, turn.id)])  # nothing ran, so nothing was lost
        return
    message = f"Turn {turn.id} was submitted again{f'. {why}' if why else ''}."
    context.wait(Event(now, "turn.running", Reason.TURN_RUNNING, message))


def _finish(context: Context, turn: TurnDocument, status: TurnStatus, now: datetime) -> None:
    reason = status.reason or Reason.PIPELINE_FAILED
    finished = turn.model_copy(
        update={
            "status": "rejected",
            "finished_at": now,
            "reason": str(reason),
            "message": status.message,
            "result": dict(status.result),
        }
    )
    if reason is not Reason.ACCEPTED:
        event = Event(now, "challenger.rejected", reason, status.message, {"turn": turn.id})
        context.record(event, [to_write(finished, turn.id)], f"turn/{turn.id}/finished")
        return
    registered = status.result["register"]
    accepted = finished.model_copy(update={"status": "accepted", "version": registered["version"]})
    event = Event(now, "challenger.registered", reason, status.message,
                  {"turn": turn.id, "version": registered["version"]})  # fmt: skip
    if turn.champion is None:
        follow = crown(context, registered["version"], turn.id, status.result, now, Reason.BOOTSTRAP)
    else:
        follow = begin_rollout(context, turn, status.result, now)
    context.record(event, [to_write(accepted, turn.id), *follow], f"turn/{turn.id}/finished")


def cancel_turn(context: Context, why: str, now: datetime) -> None:
    """Ends the turn that runs, if any. Its signals wait for another one."""
    turn = running_turn(context)
    if turn is None:
        return
    context.ports.pipelines.cancel(turn.id)
    message = f"Turn {turn.id} was cancelled: {why}."
    _fail(context, turn, TurnStatus(Phase.FAILED, Reason.CANCELLED, message), now)


def _fail(context: Context, turn: TurnDocument, status: TurnStatus, now: datetime) -> None:
    reason = status.reason or Reason.PIPELINE_FAILED
    message = status.message
    if status.phase is Phase.UNKNOWN:
        said = message or "its process ended without a result"
        message = f"Turn {turn.id} was lost {MAX_ATTEMPTS} times, at last so: {said}."
    failed = turn.model_copy(update={"status": "failed", "finished_at": now, "reason": str(reason), "message": message})
    # Nothing answered its signals: they wait for a turn that does (the cooldown keeps that from being at once).
    unanswered = [
        to_write(signal.model_copy(update={"consumed_by": None}), signal.id)
        for signal in context.documents(SignalDocument)
        if signal.consumed_by == turn.id
    ]
    event = Event(now, "turn.failed", reason, message, {"turn": turn.id, "step": status.step})
    context.record(event, [to_write(failed, turn.id), *unanswered], f"turn/{turn.id}/finished")
