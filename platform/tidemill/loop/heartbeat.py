"""That a loop is looked after: when it last ticked, or was seen to be paused. Whoever looks says so; alarms read it."""

from __future__ import annotations

from datetime import datetime

from .documents.tick import LastTick
from .ports import State


def beat(state: State, loop: str, now: datetime) -> None:
    """One small write; nothing of it goes into the ledger."""
    state.put(loop, LastTick.kind, LastTick.id, LastTick(at=now).stored())
