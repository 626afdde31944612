"""Registered versions as the loop knows them: what was read once of the registry needs no registry any more."""

from __future__ import annotations

from .context import Context
from .documents.registered import RegisteredVersion
from .documents.store import read_one
from .model import ModelVersion


def registered(context: Context, version: str) -> ModelVersion:
    """Where its files are and what their digest is never change under a version. So a registry that is away keeps no
    route from being repaired. Raises VersionUnknown."""
    known = read_one(context.state, context.name, RegisteredVersion, version)
    if known is not None:
        return known.model_version
    found = context.ports.registry.get(context.name, version)
    document = RegisteredVersion.of(found)
    context.state.put_once(context.name, document.kind, version, document.stored())
    return found
