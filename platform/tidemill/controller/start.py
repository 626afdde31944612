"""Starts the controller: one database, one API server, one operator."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from tidemill.loop.errors import TidemillError
from tidemill.spec.profile import ProfileSpec


def run_controller(profile: ProfileSpec, namespaces: Sequence[str], every: float, workers: int, health: str) -> None:
    """Returns when it was told to stop (SIGTERM). `namespaces` empty: all; `every` in seconds."""
    import kopf

    from tidemill.adapters.kubernetes_api import KubernetesApi
    from tidemill.adapters.sql_database import Database
    from tidemill.adapters.stated_clock import open_clock

    from .events import Announcer
    from .keeper import Keeper
    from .operator import Operator
    from .place import Place

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    state = profile.state or os.environ.get("TIDEMILL_STATE_URL")
    if state is None:
        raise TidemillError(
            "The controller does not know its state store: set TIDEMILL_STATE_URL, or `state` in the Profile, to an "
            "SQLAlchemy URL of PostgreSQL or SQLite."
        )
    api = KubernetesApi()
    place = Place(profile, Database(state, pool_size=workers + 1), api, api.access.namespace)
    keeper = Keeper(place, open_clock(), every, Announcer(api))
    operator = Operator(keeper, api, workers)
    kopf.run(
        registry=operator.registry,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        liveness_endpoint=health,
    )
