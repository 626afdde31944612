"""Takes a challenger through the steps, as the judge says, and promotes it or sends it away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill.decisions.rollout import RolloutAction, RolloutFacts, advance
from tidemill.decisions.rollout_words import once_resumed
from tidemill.decisions.verdict import Reason, Verdict
from tidemill.spec.model_loop import Rollout as Rules

from . import standing
from .champions import crown, current_champion
from .context import Context, Event, Write
from .differences import recalibrates
from .documents.base import NewerDocument
from .documents.blocks import PairDocument
from .documents.rollout import RolloutDocument, RolloutStep, Status
from .documents.turn import TurnDocument
from .errors import LeaseHeld
from .in_order import known_until
from .model import Readiness
from .operation import audited_share, close_operation, operational_blocks
from .pairs import close_pairs, dependence, judged, paired_blocks
from .promise import promised
from .rollout_rules import tell_changes, with_rules
from .versions import registered

# What ends a rollout that a person paused, too.
_GUARDS = (Reason.WORSE, Reason.ARTIFACT_CHANGED, Reason.SAMPLE_RATIO_MISMATCH)


def open_rollout(context: Context) -> RolloutDocument | None:
    stored = standing.running_rollout(context.state, context.name)
    return None if stored is None else RolloutDocument.read(stored)


def begin_rollout(context: Context, turn: TurnDocument, result: Mapping[str, Any], now: datetime) -> list[Write]:
    """With the rules of the present spec and the length of a block as it is known now: neither changes later."""
    challenger = result["register"]["version"]
    champion = current_champion(context)
    assert champion is not None, "a rollout begins only where there is a champion"
    blocks = dependence(context, now)
    document = RolloutDocument(
        id=turn.id,
        challenger=challenger,
        champion=champion.version,
        turn=turn.id,
        status="running",
        reason=str(Reason.STARTED),
        message=f"Version {challenger} waits to be ready.",
        started_at=now,
        result={"register": dict(result["register"]), "evaluate": promised(result["evaluate"])},
        rules=context.spec.rollout.model_dump(by_alias=True, mode="json"),
        at_level=recalibrates(context),
        block_hours=blocks.hours,
        single_rows=blocks.single_rows,
        unit=context.spec.rollout.judge.block_column,
        audited=audited_share(context),
    )
    return [_write(document)]


def close_evidence(context: Context, now: datetime) -> None:
    """The blocks of the rollout that runs: of operation within minutes, of outcomes when their labels are in."""
    rollout = open_rollout(context)
    if rollout is not None:
        close_operation(context, rollout, now)
        close_pairs(context, rollout, now)


def advance_rollout(context: Context, now: datetime) -> None:
    rollout = open_rollout(context)
    if rollout is None:
        return
    rollout = with_rules(context, rollout)
    rules = rollout.rollout(context.spec.rollout)
    tell_changes(context, rollout, rules, now)
    ready, failed = _readiness(context, rollout)
    if not rollout.steps and ready.ready and rules.steps and not rollout.held:
        rollout = _enter_step(context, rollout, rules, now, Reason.STARTED, "ready, the first step begins", {})
    verdict = advance(_facts(context, rollout, ready, now), rules)
    guarded = verdict.action is RolloutAction.ABORT and verdict.reason in _GUARDS
    if rollout.held and not guarded:
        then = once_resumed(verdict.action)
        _note(context, rollout, {"message": f"{verdict.message}{then}", "evidence": dict(verdict.evidence)})
        message = f"Version {rollout.challenger} stays where it is until somebody resumes the rollout{then}."
        context.wait(Event(now, "rollout.held", Reason.PAUSED_BY_PERSON, message))
    elif failed is None or guarded or verdict.action is RolloutAction.HOLD:
        _act(context, rollout, rules, verdict, now)
    if failed is not None:
        raise failed


def _readiness(context: Context, rollout: RolloutDocument) -> tuple[Readiness, Exception | None]:
    """Of the challenger, and what kept it from being looked after: the guards judge what it does all the same."""
    try:
        return context.ports.serving.prepare(registered(context, rollout.challenger)), None
    except (LeaseHeld, NewerDocument):
        raise
    except Exception as error:
        return Readiness(False, str(error), Reason.NOT_READY), error


def _act(
    context: Context, rollout: RolloutDocument, rules: Rules, verdict: Verdict[RolloutAction], now: datetime
) -> None:
    figures = dict(verdict.evidence)
    if verdict.action is RolloutAction.HOLD:
        told = {"status": "running", "reason": str(verdict.reason), "message": verdict.message}
        _note(context, rollout, {**told, "evidence": figures})
        context.wait(Event(now, "rollout.holding", verdict.reason, verdict.message, figures))
    elif verdict.action is RolloutAction.PAUSE:
        if rollout.status != "paused" or rollout.reason != verdict.reason:
            _record(context, rollout, verdict, "paused", "rollout.paused", now)
        context.wait(Event(now, "rollout.paused", verdict.reason, verdict.message, figures))
    elif verdict.action is RolloutAction.ADVANCE:
        _enter_step(context, rollout, rules, now, verdict.reason, verdict.message, figures)
    elif verdict.action is RolloutAction.PROMOTE:
        _promote(context, rollout, verdict, now)
    else:
        _record(context, rollout, verdict, "aborted", "rollout.aborted", now)


def _promote(context: Context, rollout: RolloutDocument, verdict: Verdict[RolloutAction], now: datetime) -> None:
    done = _changed(rollout, verdict, "promoted", now)
    writes = [
        _write(done),
        *crown(context, rollout.challenger, rollout.turn, rollout.result, now, verdict.reason),
    ]
    told = {"version": rollout.challenger, "previous": rollout.champion, **verdict.evidence}
    event = Event(now, "champion.promoted", verdict.reason, f"Version {rollout.challenger}: {verdict.message}", told)
    context.record(event, writes, f"rollout/{rollout.id}/ended")


def abort(context: Context, rollout: RolloutDocument, reason: Reason, message: str, now: datetime) -> None:
    verdict = Verdict(RolloutAction.ABORT, reason, message, {})
    _record(context, rollout, verdict, "aborted", "rollout.aborted", now)


def hold(
    context: Context, rollout: RolloutDocument, held: bool, reason: Reason, message: str, id: str, more: list[Write],
    now: datetime,
) -> None:  # fmt: skip
    """Pauses or resumes for a person."""
    event = Event(now, "rollout.held" if held else "rollout.resumed", reason, message, {"version": rollout.challenger})
    context.record(event, [_write(rollout.model_copy(update={"held": held})), *more], id)


def approve(
    context: Context, rollout: RolloutDocument, said: str, at: datetime, id: str, more: list[Write], now: datetime
) -> None:
    """`at`: when the person said so."""
    message = f"Version {rollout.challenger} was approved {said}."
    event = Event(now, "rollout.approved", Reason.APPROVED, message)
    approved = rollout.model_copy(update={"approved": True, "approved_at": at})
    context.record(event, [_write(approved), *more], id)


def _record(
    context: Context, rollout: RolloutDocument, verdict: Verdict[RolloutAction], status: Status, name: str,
    now: datetime,
) -> None:  # fmt: skip
    document = _changed(rollout, verdict, status, now)
    evidence = {"version": rollout.challenger, **verdict.evidence}
    event = Event(now, name, verdict.reason, f"Version {rollout.challenger}: {verdict.message}", evidence)
    mark = "ended" if status == "aborted" else f"{status}/{document.entries}"
    context.record(event, [_write(document)], f"rollout/{rollout.id}/{mark}")


def _changed(
    rollout: RolloutDocument, verdict: Verdict[RolloutAction], status: Status, now: datetime
) -> RolloutDocument:
    """As it is after a verdict that the ledger gets a line of."""
    return rollout.model_copy(
        update={
            "status": status,
            "reason": str(verdict.reason),
            "message": verdict.message,
            "evidence": dict(verdict.evidence),
            "ended_at": now if status in ("aborted", "promoted") else None,
            "entries": rollout.entries + 1,
        }
    )


def _note(context: Context, rollout: RolloutDocument, told: Mapping[str, Any]) -> None:
    """What the evidence says now, for status; no line of the ledger."""
    document = rollout.model_copy(update=told)
    if document != rollout:
        context.state.transact(context.name, [_write(document)])


def _enter_step(
    context: Context,
    rollout: RolloutDocument,
    rules: Rules,
    now: datetime,
    reason: Reason,
    message: str,
    evidence: dict[str, Any],
) -> RolloutDocument:
    index = len(rollout.steps)
    step = rules.steps[index]
    entered = RolloutStep(index=index, started_at=now, shadow=step.shadow, canary=step.canary)
    document = rollout.model_copy(
        update={"status": "running", "steps": (*rollout.steps, entered), "reason": str(reason)}
    )
    what = f"shadow {step.shadow:.0%}" if step.shadow is not None else f"canary {step.canary:.0%}"
    event = Event(now, "rollout.advanced", reason, f"Version {rollout.challenger} enters {what}: {message}",
                  {"version": rollout.challenger, "step": index, **evidence})  # fmt: skip
    context.record(event, [_write(document)], f"rollout/{rollout.id}/step/{index}")
    return document


def _facts(context: Context, rollout: RolloutDocument, ready: Readiness, now: datetime) -> RolloutFacts:
    pairs = paired_blocks(context, rollout)
    known = known_until(context, rollout, now)
    step = rollout.step
    return RolloutFacts(
        now=now,
        started_at=rollout.started_at,
        step=0 if step is None else step.index,
        ready=ready.ready,
        ready_message=ready.message,
        artifact_changed=ready.reason is Reason.ARTIFACT_CHANGED,
        paired=tuple(judged(block, known) for block in pairs if block.n),
        repeated=sum(block.repeated for block in pairs),
        operation=operational_blocks(context, rollout),
        step_outcomes=0 if step is None else _outcomes(pairs, step),
        approved_at=rollout.approved_at,
        block_hours=rollout.block_hours or 24,
        unit=rollout.unit,
    )


def _outcomes(pairs: list[PairDocument], step: RolloutStep) -> int:
    """Labelled rows: of a shadow those that both scored, of a canary those that it answered in this step."""
    if step.canary is None:
        return sum(block.n for block in pairs)
    return sum(block.answered for block in pairs if block.step == step.index)


def _write(document: RolloutDocument) -> Write:
    return Write(RolloutDocument.kind, document.id, document.stored())
