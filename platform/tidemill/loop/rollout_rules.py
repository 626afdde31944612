"""The rules that a rollout is judged by: those of its beginning, whatever the spec says meanwhile."""

from __future__ import annotations

from datetime import datetime

from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import Rollout as Rules

from .context import Context, Event
from .differences import recalibrates
from .documents.rollout import RolloutDocument
from .documents.store import to_write


def with_rules(context: Context, rollout: RolloutDocument) -> RolloutDocument:
    """Writes down what an earlier release did not: from the first tick on, a later spec does not change the rollout."""
    if rollout.rules is not None and rollout.at_level is not None:
        return rollout
    rules = rollout.rollout(context.spec.rollout).model_dump(by_alias=True, mode="json")
    at_level = recalibrates(context) if rollout.at_level is None else rollout.at_level
    kept = rollout.model_copy(update={"rules": rules, "at_level": at_level})
    context.state.transact(context.name, [to_write(kept, kept.id)])
    return kept


def tell_changes(context: Context, rollout: RolloutDocument, rules: Rules, now: datetime) -> None:
    differs = {
        "spec.rollout": rules != context.spec.rollout,
        "spec.model.recalibrate": rollout.at_level != recalibrates(context),
    }
    for name in (name for name, changed in differs.items() if changed):
        message = f"{name} has changed; the rollout of version {rollout.challenger} keeps the rules it began with."
        context.wait(Event(now, "rollout.rules", Reason.STARTED, message))
