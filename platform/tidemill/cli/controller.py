"""`tidemill controller`: keeps the ModelLoops of a cluster."""

from __future__ import annotations

from pathlib import Path

import click

from .every import seconds


@click.command()
@click.option("--profile", type=click.Path(path_type=Path), envvar="TIDEMILL_PROFILE", required=True, help="A Profile.")
@click.option("--namespace", "namespaces", multiple=True, help="Keep the loops of this namespace; all by default.")
@click.option("--every", default="60s", show_default=True, help="Time between two ticks of a loop that rests.")
@click.option("--workers", default=4, show_default=True, help="Ticks at the same time.")
@click.option("--health", default="http://0.0.0.0:8082/healthz", show_default=True, help="Where liveness is told.")
def command(profile: Path, namespaces: tuple[str, ...], every: str, workers: int, health: str) -> None:
    """Keep the ModelLoops of a cluster, until told to stop."""
    from tidemill.controller.start import run_controller
    from tidemill.spec.loading import load_profile

    pause = seconds(every)
    run_controller(load_profile(profile).spec, namespaces, pause, workers, health)
