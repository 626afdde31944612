"""Makes the data plane and the registry's aliases say what the state says; nothing where they do already."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason

from .blocks import running_rollout
from .context import Context, Event
from .errors import VersionUnknown
from .model import Arm, Readiness, Role, Route
from .repairs import serving_calibrator


def reconcile_route(context: Context, now: datetime) -> None:
    champion = context.state.get(context.name, "champion", "current")
    if champion is None:
        context.wait(Event(now, "serving.waiting", Reason.NOT_READY, "There is no champion to serve yet."))
        return
    rollout = running_rollout(context)
    fallback = _fallback(context, champion)
    ready = {version: _prepare(context, version) for version in {champion["version"], *fallback}}
    standing = [version for version in (champion["version"], *fallback) if ready[version].ready]
    if not standing:
        context.wait(Event(now, "serving.waiting", Reason.NOT_READY, ready[champion["version"]].message))
        return
    if standing[0] != champion["version"]:
        reason = ready[champion["version"]].reason or Reason.NOT_READY
        message = (
            f"Champion {champion['version']} cannot serve ({ready[champion['version']].message}); version "
            f"{standing[0]} answers instead. Run `tidemill rollback`, or restore the model's files."
        )
        context.wait(Event(now, "champion.unready", reason, message))
    route = Route(context.name, _arms(context, standing[0], rollout), tuple(standing[1:]))
    if context.ports.serving.route(context.name) != route:
        context.ports.serving.set_route(route)
    _aliases(context, champion["version"], None if rollout is None else rollout["challenger"])


def _prepare(context: Context, version: str) -> Readiness:
    try:
        return context.ports.serving.prepare(context.ports.registry.get(context.name, version))
    except VersionUnknown as error:
        return Readiness(False, str(error))


def _fallback(context: Context, champion: dict[str, Any]) -> tuple[str, ...]:
    named = (champion[kind] for kind in context.spec.serving.fallback)
    return tuple(dict.fromkeys(version for version in named if version is not None))


def _arms(context: Context, serving: str, rollout: dict[str, Any] | None) -> tuple[Arm, ...]:
    """While a challenger is tried, both versions score every request: what one does not answer it mirrors."""
    calibrator = serving_calibrator(context, serving)
    if rollout is None or not rollout["steps"] or rollout["champion"] != serving:
        return (Arm(serving, Role.CHAMPION, 1.0, 0.0, calibrator),)
    challenger, step = rollout["challenger"], rollout["steps"][-1]
    its_calibrator = serving_calibrator(context, challenger)
    canary = step.get("canary")
    if canary is None:
        return (
            Arm(serving, Role.CHAMPION, 1.0, 0.0, calibrator),
            Arm(challenger, Role.SHADOW, 0.0, step["shadow"], its_calibrator),
        )
    return (
        Arm(serving, Role.CHAMPION, 1.0 - canary, 1.0, calibrator),
        Arm(challenger, Role.CANARY, canary, 1.0, its_calibrator),
    )


def _aliases(context: Context, champion: str, challenger: str | None) -> None:
    present = context.ports.registry.aliases(context.name)
    for alias, version in (("champion", champion), ("challenger", challenger)):
        if present.get(alias) != version:
            context.ports.registry.set_alias(context.name, alias, version)
