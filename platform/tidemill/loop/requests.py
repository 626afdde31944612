"""What people ask for: recorded when it is asked (loop.asking), acted on by the next tick like everything else."""

from __future__ import annotations

from datetime import datetime

from tidemill.decisions.signal import Signal
from tidemill.decisions.verdict import Reason

from .admit_asked import admit_by_hand
from .asking import OF_ROLLOUT
from .asking import ask as ask
from .champions import crown, current_champion
from .context import Context, Event, Write
from .documents.champion import ReignDocument
from .documents.request import RequestDocument
from .documents.rollout import RolloutDocument
from .documents.signal import SignalDocument
from .documents.store import to_write
from .errors import LeaseHeld
from .promise import promised
from .rollouts import abort, approve, hold, open_rollout


def handle_requests(context: Context, now: datetime) -> None:
    """Each stands alone: one that cannot be carried out now is raised after the others were, and is tried again."""
    failed: Exception | None = None
    for request in context.documents(RequestDocument):
        if request.open:
            try:
                _handle(context, request, now)
            except LeaseHeld:
                raise
            except Exception as error:
                failed = failed or error
    if failed is not None:
        raise failed


def _handle(context: Context, request: RequestDocument, now: datetime) -> None:
    done = to_write(request.model_copy(update={"handled_at": now}), request.id)
    said = f"by {request.by}" + (f": {request.note}" if request.note else "")
    what = request.what
    rollout = open_rollout(context)
    if what == "train":
        signal = SignalDocument.of(Signal(Reason.MANUAL, f"manual-{request.id}", f"Asked for {said}"), now)
        event = Event(now, "signal.recorded", Reason.MANUAL, f"A turn was asked for {said}.")
        context.record(event, [to_write(signal, signal.id), done], f"request/{request.id}")
    elif what in OF_ROLLOUT and rollout is not None and rollout.id == request.target:
        if what in ("pause", "resume"):
            _hold(context, rollout, what == "pause", request, said, done, now)
        elif what == "approve":
            approve(context, rollout, said, request.at, f"request/{request.id}", [done], now)
        else:
            abort(context, rollout, Reason.ABORTED_BY_PERSON, f"aborted {said}", now)
            context.state.transact(context.name, [done])
    elif what == "admit":
        admit_by_hand(context, request, said, now)
        context.state.transact(context.name, [done])
    elif what == "rollback" and _is_champion(context, request.target):
        _roll_back(context, rollout, said, done, request.id, now)
    else:
        context.state.transact(context.name, [done])  # what it was about is over: asked twice, or too late


def _hold(
    context: Context, rollout: RolloutDocument, held: bool, request: RequestDocument, said: str, done: Write,
    now: datetime,
) -> None:  # fmt: skip
    reason = Reason.PAUSED_BY_PERSON if held else Reason.RESUMED_BY_PERSON
    message = f"Version {rollout.challenger} {'stays where it is' if held else 'goes on'}, as asked {said}."
    hold(context, rollout, held, reason, message, f"request/{request.id}", [done], now)


def _is_champion(context: Context, version: str | None) -> bool:
    current = current_champion(context)
    return current is not None and current.version == version and current.previous is not None


def _roll_back(
    context: Context, rollout: RolloutDocument | None, said: str, done: Write, id: str, now: datetime
) -> None:
    if rollout is not None:
        abort(context, rollout, Reason.SUPERSEDED, f"the champion it was compared with was rolled back {said}", now)
    current = current_champion(context)
    assert current is not None and current.previous is not None, "asked for where there is an earlier one"
    reigns = [reign for reign in context.documents(ReignDocument) if reign.version == current.previous]
    result = {
        "register": {"baseline_version": reigns[-1].baseline if reigns else current.baseline},
        "evaluate": reigns[-1].promised if reigns else promised({}),
    }
    turn = reigns[-1].turn if reigns else ""
    writes = crown(context, current.previous, turn, result, now, Reason.ROLLED_BACK_BY_PERSON)
    message = f"Version {current.previous} serves again instead of {current.version}, rolled back {said}."
    evidence = {"version": current.previous, "previous": current.version}
    event = Event(now, "champion.rolled_back", Reason.ROLLED_BACK_BY_PERSON, message, evidence)
    context.record(event, [*writes, done], f"request/{id}")
