"""Makes the data plane say what the state says; does nothing where it does already."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason

from .champions import current_champion
from .context import Context, Event
from .documents.base import NewerDocument
from .documents.champion import ChampionDocument
from .documents.request import RequestDocument
from .documents.rollout import RolloutDocument
from .documents.route import ToldRoute
from .documents.store import read_one, to_write
from .errors import LeaseHeld, VersionUnknown
from .ids import digest_of
from .model import Arm, Readiness, Role, Route
from .repairs import serving_calibrator
from .rollouts import open_rollout
from .versions import registered


def reconcile_route(context: Context, now: datetime) -> None:
    """A version that cannot be looked after now keeps no route from being set: its error is raised after that."""
    failed: list[Exception] = []
    _reconcile(context, now, failed)
    if failed:
        raise failed[0]


def _reconcile(context: Context, now: datetime, failed: list[Exception]) -> None:
    champion = current_champion(context)
    if champion is None:
        context.wait(Event(now, "serving.waiting", Reason.NOT_READY, "There is no champion to serve yet."))
        return
    fallback = _fallback(context, champion)
    ready = {
        version: _prepare(context, version, champion.version, failed)
        for version in dict.fromkeys([champion.version, *fallback])
    }
    for version, state in ready.items():
        if state.ready and state.message:
            message = f"Version {version} goes on as it is: {state.message}"
            context.wait(Event(now, "serving.kept", Reason.NOT_READY, message))
    standing = [version for version in (champion.version, *fallback) if ready[version].ready]
    if not standing:
        context.wait(Event(now, "serving.waiting", Reason.NOT_READY, ready[champion.version].message))
        return
    if standing[0] != champion.version:
        reason = ready[champion.version].reason or Reason.NOT_READY
        message = (
            f"Champion {champion.version} cannot serve ({ready[champion.version].message}); version "
            f"{standing[0]} answers instead. Run `tidemill rollback`, or restore the model's files."
        )
        context.wait(Event(now, "champion.unready", reason, message))
        arms: tuple[Arm, ...] = (_stand_in(context, standing[0], champion.version),)
        unit = None
    else:
        rollout = _tried(context)
        arms = _arms(context, standing[0], rollout)
        unit = rollout.unit if rollout is not None and len(arms) > 1 else None
    route = Route(context.name, arms, tuple(standing[1:]), unit)
    _set(context, route, now)


def _set(context: Context, route: Route, now: datetime) -> None:
    """First the line of the ledger, then the data plane: killed in between, the next tick sets it. A store that cannot
    be written keeps no route from being set: it is written down as soon as that is possible."""
    observed = context.ports.serving.route(context.name)
    try:
        _record(context, route, now)
    finally:
        if observed != route:
            context.ports.serving.set_route(route)


def _record(context: Context, route: Route, now: datetime) -> None:
    before = read_one(context.state, context.name, ToldRoute, ToldRoute.id)
    described = _described(route)
    digest = digest_of(described)
    if before is not None and before.digest == digest:
        return
    told = ToldRoute(number=1 if before is None else before.number + 1, digest=digest, route=described)
    event = Event(now, "route.changed", Reason.ROUTED, _sentence(route), described)
    context.record(event, [to_write(told, told.id)], f"route/{told.number}")


def _described(route: Route) -> dict[str, Any]:
    described = {"arms": [_described_arm(arm) for arm in route.arms], "fallback": list(route.fallback)}
    return described if route.unit is None else {**described, "unit": route.unit}


def _described_arm(arm: Arm) -> dict[str, Any]:
    calibrator = None if arm.calibrator is None else arm.calibrator.id
    described = {**asdict(arm), "role": str(arm.role), "calibrator": calibrator}
    if arm.stands_in_for is None:  # as earlier releases describe an arm: an upgrade is no change of the route
        del described["stands_in_for"]
    return described


def _sentence(route: Route) -> str:
    parts = [
        f"version {arm.version} "
        + (f"sees {arm.mirror:.0%} as a shadow" if arm.role is Role.SHADOW else f"answers {arm.weight:.0%}")
        + ("" if arm.stands_in_for is None else f" in place of champion {arm.stands_in_for}, which cannot serve")
        + ("" if arm.calibrator is None else f" with correction {arm.calibrator.id[:8]}")
        for arm in route.arms
    ]
    return f"The route: {', '.join(parts)}; fallback: {', '.join(route.fallback) or 'none'}."


def _tried(context: Context) -> RolloutDocument | None:
    """The rollout whose challenger gets traffic; none that a person asked to abort, written down or not."""
    rollout = open_rollout(context)
    if rollout is None or not rollout.steps:
        return None
    asked = context.documents(RequestDocument)
    aborted = any(request.what == "abort" and request.target == rollout.id and request.open for request in asked)
    return None if aborted else rollout


def _prepare(context: Context, version: str, champion: str, failed: list[Exception]) -> Readiness:
    """What the route names stands though it cannot be looked after now, and what it does not name stays out of it: an
    abort must not wait for either. A new champion does wait."""
    try:
        return context.ports.serving.prepare(registered(context, version))
    except VersionUnknown as error:
        return Readiness(False, str(error))
    except (LeaseHeld, NewerDocument):
        raise
    except Exception as error:
        route = context.ports.serving.route(context.name)
        stands = route is not None and version in {*(arm.version for arm in route.arms), *route.fallback}
        if version == champion and not stands:
            raise
        failed.append(error)
        return Readiness(stands, "" if stands else str(error))


def _fallback(context: Context, champion: ChampionDocument) -> tuple[str, ...]:
    named = {"previous": champion.previous, "baseline": champion.baseline}
    versions = (named[kind] for kind in context.spec.serving.fallback)
    return tuple(dict.fromkeys(version for version in versions if version is not None))


def _stand_in(context: Context, version: str, champion: str) -> Arm:
    """Alone: a challenger is compared with its champion, or not at all."""
    calibrator = serving_calibrator(context, version)
    return Arm(version, Role.CHAMPION, 1.0, 0.0, calibrator, stands_in_for=champion)


def _arms(context: Context, serving: str, rollout: RolloutDocument | None) -> tuple[Arm, ...]:
    """While a challenger is tried, both versions score every request: what one does not answer it mirrors."""
    calibrator = serving_calibrator(context, serving)
    if rollout is None or rollout.step is None or rollout.champion != serving:
        return (Arm(serving, Role.CHAMPION, 1.0, 0.0, calibrator),)
    challenger, canary = rollout.challenger, rollout.step.canary
    its_calibrator = serving_calibrator(context, challenger)
    if canary is None:
        return (
            Arm(serving, Role.CHAMPION, 1.0, 0.0, calibrator),
            Arm(challenger, Role.SHADOW, 0.0, rollout.step.shadow or 0.0, its_calibrator),
        )
    return (
        Arm(serving, Role.CHAMPION, 1.0 - canary, 1.0, calibrator),
        Arm(challenger, Role.CANARY, canary, 1.0, its_calibrator),
    )
