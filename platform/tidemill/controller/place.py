"""Where one loop's things are on a cluster: the Context that a tick needs, from its object and the Profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.loop.errors import TidemillError

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes_api import KubernetesApi
    from tidemill.adapters.sql_database import Database
    from tidemill.loop.context import Context
    from tidemill.loop.ports import Clock, DataSource, Notifier, Outcomes, Pipelines, PredictionLog, Serving
    from tidemill.spec.model_loop import ModelLoop
    from tidemill.spec.profile import ProfileSpec

PROJECT = Path("/project")  # where an image keeps the project's code


@dataclass(frozen=True)
class Owner:
    """The object that a loop comes from: what is made for the loop belongs to it."""

    namespace: str
    name: str
    uid: str

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def reference(self) -> dict[str, Any]:
        return {
            "apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelLoop", "name": self.name, "uid": self.uid,
            "controller": True, "blockOwnerDeletion": True,
        }  # fmt: skip
