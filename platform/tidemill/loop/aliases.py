"""The registry's aliases say what the state says: which version is champion, and which one is tried."""

from __future__ import annotations

from datetime import datetime

from .champions import current_champion
from .context import Context
from .rollouts import open_rollout


def follow_aliases(context: Context, now: datetime) -> None:
    champion = current_champion(context)
    if champion is None:
        return
    rollout = open_rollout(context)
    challenger = None if rollout is None else rollout.challenger
    present = context.ports.registry.aliases(context.name)
    for alias, version in (("champion", champion.version), ("challenger", challenger)):
        if present.get(alias) != version:
            context.ports.registry.set_alias(context.name, alias, version)
