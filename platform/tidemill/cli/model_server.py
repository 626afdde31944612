"""`tidemill model-server`: one version of one model in a process of its own, as a Pod of a Deployment runs it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from .port import port_option

# Where Kubernetes reads a container's last words; they end up in the Pod's status, and from there in the loop's.
TERMINATION_LOG = Path("/dev/termination-log")
KEEP_ALIVE = 75  # seconds; a gateway closes its idle connections after 30


@click.command()
@click.option("--uri", envvar="TIDEMILL_MODEL_URI", required=True, help="The MLflow model folder: file:// or s3://.")
@click.option("--digest", envvar="TIDEMILL_MODEL_DIGEST", required=True, help="What its files must add up to.")
@click.option("--version", envvar="TIDEMILL_MODEL_VERSION", required=True, help="The registered version.")
@click.option("--loop", envvar="TIDEMILL_MODEL_LOOP", required=True, help="The ModelLoop: the model's name here.")
@click.option("--host", envvar="TIDEMILL_HOST", default="0.0.0.0", show_default=True, help="Address to listen on.")
@port_option(default=8080, envvar="TIDEMILL_PORT")
@click.option(
    "--drain-seconds",
    envvar="TIDEMILL_DRAIN_SECONDS",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="How long to answer on after being asked to end.",
)
def command(uri: str, digest: str, version: str, loop: str, host: str, port: int, drain_seconds: float) -> None:
    """Serve one version of one model, by the Open Inference Protocol."""
    from tidemill.gateway.draining import Ending
    from tidemill.gateway.listening import Listener
    from tidemill.gateway.model_server import ModelServer, fetch_and_load
    from tidemill.loop.errors import TidemillError
    from tidemill.loop.model import ModelVersion

    ending = Ending()
    try:
        app = ModelServer(loop, fetch_and_load(ModelVersion(version, uri, digest, turn="")))
        listener = Listener(host, port, KEEP_ALIVE)
        listener.start(app)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        _last_words(said)
        raise TidemillError(said) from error
    click.echo(f"version {version} of {loop} answers at {listener.url}/v2/models/{loop}/infer")
    ending.wait(app.drain, drain_seconds)
    listener.stop()


def _last_words(said: str) -> None:
    with suppress(OSError):
        if TERMINATION_LOG.exists():
            TERMINATION_LOG.write_text(f"{said}\n")
