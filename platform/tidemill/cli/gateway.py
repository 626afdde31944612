"""`tidemill gateway`: the data plane of a cluster, as the gateway's Pods run it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .port import port_option

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi
    from tidemill.adapters.log.shipper import LogShipper
    from tidemill.adapters.remote_outcomes import RemoteOutcomes
    from tidemill.gateway.server import Gateway

KEEP_ALIVE = 75  # seconds


@click.command()
@click.option("--host", envvar="TIDEMILL_HOST", default="0.0.0.0", show_default=True, help="Address to listen on.")
@port_option(default=8080, envvar="TIDEMILL_PORT")
@click.option(
    "--namespaces",
    envvar="TIDEMILL_NAMESPACES",
    help="Whose loops are served, separated by commas; '*' for all. Default: the gateway's own.",
)
@click.option("--namespace", envvar="TIDEMILL_NAMESPACE", help="The gateway's own; default: the service account's.")
@click.option(
    "--storage", envvar="TIDEMILL_STORAGE", required=True, help="URL below which predictions are kept, such as s3://..."
)
@click.option("--server", envvar="TIDEMILL_SERVER", required=True, help="URL of the Tidemill server: labels go there.")
@click.option(
    "--token-file",
    envvar="TIDEMILL_TOKEN_FILE",
    type=click.Path(path_type=Path),
    help="Shown to the server; default: the service account's token.",
)
@click.option("--labels/--no-labels", envvar="TIDEMILL_LABELS", default=True, show_default=True,
              help="Whether labels are taken here, from anybody, and handed to the server.")  # fmt: skip
@click.option(
    "--spool",
    envvar="TIDEMILL_SPOOL",
    type=click.Path(path_type=Path),
    default=Path("/var/spool/tidemill"),
    show_default=True,
    help="A folder of this process alone, that outlives it.",
)
@click.option("--spool-limit", envvar="TIDEMILL_SPOOL_LIMIT_MIB", type=click.IntRange(min=1), default=768,
              show_default=True, help="MiB of predictions that may wait there while the store is away.")  # fmt: skip
@click.option("--log-seconds", envvar="TIDEMILL_LOG_SECONDS", type=click.FloatRange(min=0.1), default=2.0,
              show_default=True, help="How often predictions are shipped.")  # fmt: skip
@click.option("--drain-seconds", envvar="TIDEMILL_DRAIN_SECONDS", type=click.FloatRange(min=0), default=5.0,
              show_default=True, help="How long to answer on after being asked to end.")  # fmt: skip
def command(
    host: str,
    port: int,
    namespaces: str | None,
    namespace: str | None,
    storage: str,
    server: str,
    token_file: Path | None,
    labels: bool,
    spool: Path,
    spool_limit: int,
    log_seconds: float,
    drain_seconds: float,
) -> None:
    """Answer requests on a cluster: the data plane of every loop there."""
    import logging
    from functools import partial

    from tidemill.adapters.helper import Helper
    from tidemill.adapters.kubernetes.access import SERVICE_ACCOUNT
    from tidemill.adapters.kubernetes.api import KubernetesApi
    from tidemill.adapters.log.shipped import Shipping
    from tidemill.adapters.log.shipper import LogShipper
    from tidemill.adapters.remote_outcomes import RemoteOutcomes
    from tidemill.adapters.stated_clock import open_clock
    from tidemill.gateway.draining import Ending
    from tidemill.gateway.server import Gateway

    from .wiring import tell_damage

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    ending = Ending()
    api = KubernetesApi()
    own = namespace or api.access.namespace
    token = token_file or (SERVICE_ACCOUNT / "token" if (SERVICE_ACCOUNT / "token").exists() else None)
    shipping = Helper(Shipping, "log shipping")  # it goes, with its libraries, when there are no requests
    ship = partial(shipping.call, "ship")
    shipper = LogShipper(spool / "predictions", storage, spool_limit << 20, log_seconds, ship)
    gateway = Gateway({}, None, None, open_clock(), host, port, KEEP_ALIVE, local_only=False)
    scopes = None if namespaces == "*" else [name.strip() for name in (namespaces or own).split(",") if name.strip()]
    outcomes = partial(RemoteOutcomes, server, token_file=token) if labels else lambda namespace, loop: None
    tell_damage(gateway, [spool / "predictions"])
    _follow(gateway, api, own, scopes, spool / "routes", shipper, outcomes, ending.asked)
    shipper.start()
    gateway.start()
    click.echo(f"loops of {', '.join(scopes or ['all namespaces'])} answer at {gateway.url}/v2/models/")
    ending.wait(gateway.unready, drain_seconds)
    gateway.stop()
    shipper.close()
    shipping.stop()


def _follow(
    gateway: Gateway,
    api: KubernetesApi,
    own: str,
    scopes: list[str] | None,
    cache: Path,
    shipper: LogShipper,
    outcomes: Callable[[str, str], RemoteOutcomes | None],
    stop: threading.Event,
) -> None:
    from tidemill.adapters.kubernetes.route_watch import RouteWatch
    from tidemill.gateway.cluster import ClusterFollower

    follower = ClusterFollower(
        gateway,
        own,
        lambda namespace, loop: (shipper.log(namespace, loop), outcomes(namespace, loop)),
        lambda: watch.unlisted,
        lambda: watch.down,
    )
    watch = RouteWatch(api, scopes, cache, follower.changed, stop)
    gateway.metrics.gauge("routes_pending", "Loops whose wanted route is not live yet.", follower.pending)
    gateway.metrics.gauge("routes_unwatched", "Scopes of which nothing is heard.", lambda: len(watch.down))
    gateway.metrics.gauge("prediction_log_waiting_bytes", "Predictions not shipped.", lambda: shipper.waiting)
    watch.start()
    threading.Thread(target=follower.follow, args=(stop,), name="follower", daemon=True).start()
