"""What a loop has running elsewhere ends with its object. What is in the cluster goes by owner references; history
stays: the registered versions, the ledger and the predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidemill.loop.documents.loop import LoopDocument
from tidemill.loop.documents.store import read_all, read_one
from tidemill.loop.documents.turn import TurnDocument

if TYPE_CHECKING:
    from tidemill.loop.context import Context
    from tidemill.loop.ports import State


def release(state: State, loop: str, reopen: Callable[[Mapping[str, Any] | None], Context], now: datetime) -> None:
    """Cancels the turn that runs, if any, and says in the state store that the loop is gone. `reopen` makes the
    Context of a ModelLoop (None: of the object's own): only asked for where a turn runs, so that a loop that was never
    right, or whose servers are away, can still be deleted while it has nothing running.

    Raises TidemillError where it cannot be done now; doing it again is harmless."""
    with state.lease(loop):
        about = read_one(state, loop, LoopDocument, LoopDocument.id)
        if any(turn.running for turn in read_all(state, loop, TurnDocument)):
            # By the spec that the last tick followed: the present one may be no ModelLoop at all.
            from tidemill.loop.harvest import cancel_turn

            context = reopen(None if about is None else about.spec)
            cancel_turn(context, "the ModelLoop was deleted", now)
        if about is not None and about.deleted_at is None:
            gone = about.model_copy(update={"deleted_at": datetime.now(UTC)})
            state.put(loop, gone.kind, gone.id, gone.stored())
