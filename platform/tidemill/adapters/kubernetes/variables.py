"""Variables of a container, by name: what goes before is what comes later. Secrets are named, never written out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidemill.adapters.step_settings import SecretEnv

Variables = dict[str, dict[str, Any]]


def plain_variables(values: Mapping[str, str]) -> Variables:
    return {name: {"name": name, "value": value} for name, value in values.items()}


def secret_variables(secrets: Iterable[SecretEnv]) -> Variables:
    """Of the keys that are named: the container gets no others of those Secrets."""
    return {
        key: {"name": key, "valueFrom": {"secretKeyRef": {"name": named.secret, "key": key}}}
        for named in secrets
        for key in named.keys
    }


def whole_secrets(secrets: Iterable[SecretEnv]) -> list[dict[str, Any]]:
    """The `envFrom` of those of which no key is named."""
    return [{"secretRef": {"name": named.secret}} for named in secrets if not named.keys]
