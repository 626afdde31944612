"""Where a loop stands, as one JSON document, for whoever holds all of its ports: `status` on a laptop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .context import Context
from .standing import standing


def status(context: Context, now: datetime) -> dict[str, Any]:
    """Reads only."""
    return standing(context.state, context.name, len(context.ports.outcomes.known(now)), now)
