"""A loop's route as JSON: all that a data plane needs to serve again after a restart, with nobody to ask.

On disk for a data plane on this machine (route_file), in a ConfigMap for the gateways of a cluster; there it also holds
the loop's spec, and the endpoint of each version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from tidemill.loop.errors import TidemillError
from tidemill.loop.model import Arm, Calibrator, ModelVersion, Role, Route

FORMAT = 1


@dataclass(frozen=True)
class RouteDocument:
    """`loop` is the ModelLoop by alias, None on a laptop, where whoever serves has it in a file. `versions` holds every
    version of the route, and maybe others; `endpoints` where those are asked that are not scored in process."""

    route: Route | None = None
    versions: Mapping[str, ModelVersion] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    loop: Mapping[str, Any] | None = None


def dump(document: RouteDocument) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **({} if document.loop is None else {"loop": dict(document.loop)}),
        "route": None if document.route is None else _dump_route(document.route),
        "versions": {name: _dump_version(v, document.endpoints.get(name)) for name, v in document.versions.items()},
    }


def dumps(document: RouteDocument) -> str:
    return json.dumps(dump(document), indent=1, default=lambda value: value.isoformat())


def loads(text: str, where: str) -> RouteDocument:
    """Raises TidemillError naming `where` it came from."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']}, this is {FORMAT}")
        route = None if document["route"] is None else _route(document["route"])
        versions = {name: dict(fields) for name, fields in document["versions"].items()}
        endpoints = {name: fields.pop("endpoint") for name, fields in versions.items() if fields.get("endpoint")}
        made = {name: ModelVersion(**fields) for name, fields in versions.items()}
        if route is not None and (missing := set(named(route)) - set(made)):
            raise ValueError(f"versions {', '.join(sorted(missing))} are routed but not described")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TidemillError(
            f"{where} cannot be read ({error!r}). Remove it: the loop's next tick writes it again."
        ) from error
    return RouteDocument(route, made, endpoints, document.get("loop"))


def named(route: Route) -> tuple[str, ...]:
    """Every version of a route, once."""
    return tuple(dict.fromkeys([arm.version for arm in route.arms] + list(route.fallback)))


def standing(route: Route, ready: set[str]) -> Route | None:
    """The part of a route whose versions are ready; None where nothing is left that could answer."""
    fallback = tuple(version for version in route.fallback if version in ready)
    arms = tuple(arm for arm in route.arms if arm.version in ready)
    if arms == route.arms:
        return replace(route, arms=arms, fallback=fallback)
    champion = next((arm for arm in arms if arm.role is Role.CHAMPION), None)
    if champion is not None:
        return Route(route.loop, (replace(champion, weight=1.0, mirror=0.0),), fallback)
    if fallback:
        away = next((arm for arm in route.arms if arm.role is Role.CHAMPION), route.arms[0])
        stand_in = Arm(fallback[0], Role.CHAMPION, 1.0, stands_in_for=away.stands_in_for or away.version)
        return Route(route.loop, (stand_in,), fallback[1:])
    return None


def _dump_route(route: Route) -> dict[str, Any]:
    """Who stands in for whom stands beside the arms: a data plane of the release before takes no field of an arm that
    it does not know, and passes over one of a route, as over `unit`."""
    arms = [asdict(arm) for arm in route.arms]
    champions = {arm["version"]: champion for arm in arms if (champion := arm.pop("stands_in_for")) is not None}
    fields = {name: value for name, value in asdict(route).items() if name != "unit" or value is not None}
    return {**fields, "arms": arms, **({"stands_in_for": champions} if champions else {})}


def _dump_version(version: ModelVersion, endpoint: str | None) -> dict[str, Any]:
    fields = {**asdict(version), "tags": dict(version.tags)}
    return fields if endpoint is None else {**fields, "endpoint": endpoint}


def _route(fields: dict[str, Any]) -> Route:
    champions = fields.get("stands_in_for", {})
    arms = tuple(_arm(arm, champions.get(arm["version"])) for arm in fields["arms"])
    return Route(fields["loop"], arms, tuple(fields["fallback"]), fields.get("unit"))


def _arm(fields: dict[str, Any], stands_in_for: str | None) -> Arm:
    calibrator = fields["calibrator"]
    if calibrator is not None:
        calibrator = Calibrator(**{**calibrator, "fitted_at": datetime.fromisoformat(calibrator["fitted_at"])})
    known = {**fields, "role": Role(fields["role"]), "calibrator": calibrator}
    return Arm(**known, stands_in_for=stands_in_for)
