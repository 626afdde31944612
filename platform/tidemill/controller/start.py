"""Starts the controller: one database, one API server, one operator."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.loop.errors import TidemillError
from tidemill.spec.profile import ProfileSpec

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi
    from tidemill.adapters.sql.database import Database

    from .place import Place

GRACE = 45.0  # seconds that running ticks may take to end; a Pod has 60
# A server that is away is asked again by the next tick; a tick need not wait for it for minutes.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "15", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}

_log = logging.getLogger(__name__)


def run_controller(profile: ProfileSpec, namespaces: Sequence[str], every: float, workers: int, health: str) -> None:
    """Returns when it was told to stop (SIGTERM). `namespaces` empty: all; `every` in seconds."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    state = profile.state or os.environ.get("TIDEMILL_STATE_URL")
    if state is None:
        raise TidemillError(
            "The controller does not know its state store: set TIDEMILL_STATE_URL, or `state` in the Profile, to an "
            "SQLAlchemy URL of PostgreSQL or SQLite."
        )
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    with tempfile.TemporaryDirectory(prefix="tidemill-") as scratch:
        opener = partial(open_place, profile, state, workers, Path(scratch))
        place = opener()
        run_in(place, place.database, place.api, namespaces, every, workers, health, opener)


def open_place(profile: ProfileSpec, state: str, workers: int, scratch: Path) -> Place:
    """In this process and in the one that ticks when libraries are needed: each has its own connections."""
    from tidemill.adapters.kubernetes.api import KubernetesApi
    from tidemill.adapters.sql.database import Database

    from .place import Place

    api = KubernetesApi()
    return Place(profile, Database(state, pool_size=workers + 2), api, api.access.namespace, scratch)


def run_in(
    place: Place,
    database: Database,
    api: KubernetesApi,
    namespaces: Sequence[str],
    every: float,
    workers: int,
    health: str,
    opener: Callable[[], Place],
) -> None:
    """Keeps the loops of a place until told to stop; `opener` opens the same place again in another process. What runs
    then ends first; a tick that hangs is left as if it had been killed, which loses nothing."""
    import kopf

    from tidemill.adapters.helper import Helper
    from tidemill.adapters.stated_clock import open_clock

    from .elsewhere import LightFirst, OpenTicker
    from .events import Announcer
    from .keeper import Keeper
    from .leader import Leadership
    from .operator import Operator
    from .queue import Queue
    from .ticker import Ticker
    from .watching import registry
    from .workers import Workers

    queue, tell = Queue(), Announcer(api)
    helper = Helper(OpenTicker(opener), "tick")
    ticks = LightFirst(Ticker(place, open_clock(), tell), helper, tell)
    operator = Operator(Keeper(ticks, every, tell), api, queue, every, tell)
    leadership = Leadership(database, namespaces)
    pool = Workers(queue, operator.step, workers, leadership.is_mine, operator.slow)
    healthy = {"acts": leadership.is_mine, "loops": lambda: len(queue), "hanging": lambda: pool.hanging}
    leadership.start()
    pool.start()
    try:
        kopf.run(
            registry=registry(operator, healthy),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=list(namespaces),
            liveness_endpoint=health,
        )
    finally:
        if not pool.stop(GRACE):
            _log.warning("some ticks did not end within %.0f s; the next controller goes on where they were", GRACE)
        helper.stop()
        leadership.stop()
