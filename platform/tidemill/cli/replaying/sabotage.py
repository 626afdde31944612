"""A world may spoil a challenger between its evaluation and its rollout: a broken packaging job that also signs what it
packed, so that neither metrics nor digest can tell. Only a comparison on live outcomes can.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.loop.model import ModelVersion, TurnStatus

Finished = Callable[[str, "TurnStatus"], None]
Spoil = Callable[[Path], None]


class Saboteur:
    """Hears of every run that ended and counts the challengers; `repack` spoils a version and signs it anew."""

    def __init__(self, world: Any, repack: Callable[[str, Spoil], None], spoilt: set[str]) -> None:
        self._world, self._repack, self._spoilt = world, repack, spoilt
        self._accepted = 0

    def __call__(self, _turn: str, status: TurnStatus) -> None:
        from tidemill.decisions.verdict import Reason

        if status.reason is not Reason.ACCEPTED or not hasattr(self._world, "sabotage"):
            return
        spoil = self._world.sabotage(self._accepted) if self._accepted else None  # the first one is the bootstrap
        self._accepted += 1
        if spoil is not None:
            version = status.result["register"]["version"]
            self._repack(version, spoil)
            self._spoilt.add(version)


def spoil_registered(
    registry: Any, tracking_uri: str, loop: str, tell: Callable[[str], None]
) -> Callable[[str, Spoil], None]:
    """Spoils the files of a version in MLflow, and the digest it was signed with."""

    def repack(version: str, spoil: Spoil) -> None:
        import mlflow

        from tidemill.adapters.artifact import digest, local_folder
        from tidemill.adapters.mlflow_registry import DIGEST

        found: ModelVersion = registry.get(loop, version)
        folder = local_folder(found.uri)
        spoil(folder)
        client = mlflow.MlflowClient(tracking_uri=tracking_uri)
        client.set_model_version_tag(loop, version, DIGEST, digest(folder))
        tell(f"            (version {version} was spoilt after its evaluation; the loop is not told)")

    return repack


def spoil_in_memory(world: Any, registry: Any, loop: str, spoilt: set[str]) -> Finished:
    """The same for a registry in memory, by way of a folder: what spoils, spoils files."""

    def repack(version: str, spoil: Spoil) -> None:
        import cloudpickle

        found = registry.get(loop, version)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.pkl"
            path.write_bytes(cloudpickle.dumps(registry.load(found)))
            spoil(Path(folder))
            registry.replace(found, cloudpickle.loads(path.read_bytes()))

    return Saboteur(world, repack, spoilt)
