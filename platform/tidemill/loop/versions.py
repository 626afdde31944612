"""Registered versions as the loop knows them: what was read once of the registry needs no registry any more."""

from __future__ import annotations

from dataclasses import asdict

from .context import Context
from .model import ModelVersion


def registered(context: Context, version: str) -> ModelVersion:
    """Where its files are and what their digest is never change under a version. So a registry that is away keeps no
    route from being repaired. Raises VersionUnknown."""
    known = context.state.get(context.name, "version", version)
    if known is not None:
        return ModelVersion(**known)
    found = context.ports.registry.get(context.name, version)
    context.state.put_once(context.name, "version", version, {**asdict(found), "tags": dict(found.tags)})
    return found
