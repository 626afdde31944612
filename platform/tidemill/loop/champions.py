"""Who serves: the champion, the one before it, and the history of both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason

from .context import Context, Write
from .documents.champion import ChampionDocument, ReignDocument
from .documents.signal import SignalDocument
from .documents.store import to_write
from .promise import promised

CURRENT = "current"


def current_champion(context: Context) -> ChampionDocument | None:
    return context.document(ChampionDocument, CURRENT)


def crown(
    context: Context, version: str, turn: str, result: Mapping[str, Any], now: datetime, reason: Reason
) -> list[Write]:
    """The writes that make a version the champion. The one it replaces becomes the first fallback."""
    before = current_champion(context)
    reign = ReignDocument(
        version=version,
        turn=turn,
        since=now,
        first_since=now if before is None else before.first_since,
        previous=None if before is None else before.version,
        baseline=result.get("register", {}).get("baseline_version"),
        **promised(result.get("evaluate", {})),
        reason=str(reason),
    )
    champion = ChampionDocument(**dict(reign))
    # What was said of the old champion's performance is answered by replacing it.
    answered = [
        to_write(signal.model_copy(update={"consumed_by": f"version {version}"}), signal.id)
        for signal in context.documents(SignalDocument)
        if signal.pending and signal.reason == Reason.PERFORMANCE
    ]
    return [to_write(champion, CURRENT), to_write(reign, f"{version}@{now.isoformat()}"), *answered]
