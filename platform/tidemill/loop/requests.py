"""What people ask for: recorded when it is asked (loop.asking), acted on by the next tick like everything else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason

from .admit_asked import admit_by_hand
from .asking import OF_ROLLOUT
from .asking import ask as ask
from .blocks import running_rollout
from .context import Context, Event, Write
from .rollouts import abort, crown


def handle_requests(context: Context, now: datetime) -> None:
    for request in context.state.documents(context.name, "request"):
        if request["handled_at"] is None:
            _handle(context, request, now)


def _handle(context: Context, request: dict[str, Any], now: datetime) -> None:
    done = Write("request", request["id"], {**request, "handled_at": now.isoformat()})
    said = f"by {request['by']}" + (f": {request['note']}" if request["note"] else "")
    what = request["what"]
    rollout = running_rollout(context)
    if what == "train":
        signal: dict[str, Any] = {
            "id": f"manual-{request['id']}",
            "kind": str(Reason.MANUAL),
            "message": f"Asked for {said}",
            "evidence": {},
            "recorded_at": now.isoformat(),
            "consumed_by": None,
        }
        event = Event(now, "signal.recorded", Reason.MANUAL, f"A turn was asked for {said}.")
        context.record(event, [Write("signal", signal["id"], signal), done], f"request/{request['id']}")
    elif what in OF_ROLLOUT and rollout is not None and rollout["id"] == request["target"]:
        if what in ("pause", "resume"):
            _hold(context, rollout, what == "pause", request, said, done, now)
        elif what == "approve":
            approved = Write("rollout", rollout["id"], {**rollout, "approved": True})
            message = f"Version {rollout['challenger']} was approved {said}."
            event = Event(now, "rollout.approved", Reason.APPROVED, message)
            context.record(event, [approved, done], f"request/{request['id']}")
        else:
            abort(context, rollout, Reason.ABORTED_BY_PERSON, f"aborted {said}", now)
            context.state.transact(context.name, [done])
    elif what == "admit":
        admit_by_hand(context, request, said, now)
        context.state.transact(context.name, [done])
    elif what == "rollback" and _is_champion(context, request["target"]):
        _roll_back(context, rollout, said, done, request["id"], now)
    else:
        context.state.transact(context.name, [done])  # what it was about is over: asked twice, or too late


def _hold(
    context: Context,
    rollout: dict[str, Any],
    held: bool,
    request: dict[str, Any],
    said: str,
    done: Write,
    now: datetime,
) -> None:
    reason = Reason.PAUSED_BY_PERSON if held else Reason.RESUMED_BY_PERSON
    message = f"Version {rollout['challenger']} {'stays where it is' if held else 'goes on'}, as asked {said}."
    event = Event(
        now, "rollout.held" if held else "rollout.resumed", reason, message, {"version": rollout["challenger"]}
    )
    context.record(
        event, [Write("rollout", rollout["id"], {**rollout, "held": held}), done], f"request/{request['id']}"
    )


def _is_champion(context: Context, version: str) -> bool:
    current = context.state.get(context.name, "champion", "current")
    return current is not None and current["version"] == version and current["previous"] is not None


def _roll_back(
    context: Context, rollout: dict[str, Any] | None, said: str, done: Write, id: str, now: datetime
) -> None:
    if rollout is not None:
        abort(context, rollout, Reason.SUPERSEDED, f"the champion it was compared with was rolled back {said}", now)
    current = context.state.get(context.name, "champion", "current")
    assert current is not None
    reigns = [r for r in context.state.documents(context.name, "reign") if r["version"] == current["previous"]]
    result = {
        "register": {"baseline_version": reigns[-1]["baseline"] if reigns else current["baseline"]},
        "evaluate": {"excess": reigns[-1]["excess"] if reigns else 0.0},
    }
    turn = reigns[-1]["turn"] if reigns else ""
    writes = crown(context, current["previous"], turn, result, now, Reason.ROLLED_BACK_BY_PERSON)
    message = f"Version {current['previous']} serves again instead of {current['version']}, rolled back {said}."
    evidence = {"version": current["previous"], "previous": current["version"]}
    event = Event(now, "champion.rolled_back", Reason.ROLLED_BACK_BY_PERSON, message, evidence)
    context.record(event, [*writes, done], f"request/{id}")
