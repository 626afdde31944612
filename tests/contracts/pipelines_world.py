"""Turns for whatever runs turns, and the runners themselves: in this process, by kfp.local, on a cluster."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tidemill.adapters.local.inline import InlinePipelines
from tidemill.adapters.local.pipelines import LocalPipelines
from tidemill.adapters.local.run_pipeline import LOCK
from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.adapters.mlflow_registry import MlflowRegistry
from tidemill.loop.model import Partition, TurnRequest
from tidemill.loop.ports import Pipelines, Registry
from tidemill.loop.turn.files import join, write_bytes
from tidemill.loop.turn.request import write_request
from tidemill.loop.turn.snapshot import snapshot_of
from turn_world import DAYS, START, document, rows_of

PROJECT = Path(__file__).parent / "image" / "contract_project.py"


def parquet(frame: pd.DataFrame) -> bytes:
    return bytes(frame.to_parquet(index=False))


@dataclass
class Runner:
    """A backend to be proven. `base` is the URI below which the loop keeps everything, `project` the folder of the
    user's code where the steps run, `patience` how many seconds a turn may take, `lose` makes a run vanish, `take_pod`
    deletes the Pod that trains, as a drained node does."""

    pipelines: Pipelines
    again: Callable[[], Pipelines]  # as a restarted loop opens it
    registry: Registry
    base: str
    project: str
    tracking_uri: str
    patience: float
    lose: Callable[[str], None]
    concurrent: bool = True  # False: a turn has ended when `submit` returns
    isolated: bool = True  # False: the user's code runs in this process
    image: str = ""
    loop: str = "tiny"
    take_pod: Callable[[str], None] | None = None
    _partitions: list[Partition] = field(default_factory=list)

    def turn(
        self,
        trainer: str = "train",
        labels: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
        **spec: Any,
    ) -> TurnRequest:
        """A written request. `labels` changes the frame (key, label) of outcomes."""
        id = uuid.uuid4().hex[:16]
        work = join(self.base, "turns", id)
        known = [rows_of(day)[["id", "y"]].rename(columns={"id": "key", "y": "label"}) for day in range(DAYS)]
        outcomes = labels(pd.concat(known, ignore_index=True))
        write_bytes(join(work, "labels.parquet"), parquet(outcomes))
        model = {"trainer": f"contract_project:{trainer}", **spec.pop("model", {})}
        request = TurnRequest(
            id=id,
            loop=self.loop,
            spec=document("contract_project", model=model, **spec),
            project=self.project,
            as_of=START + pd.Timedelta(days=DAYS),
            signals=("Bootstrap",),
            partitions=tuple(self._delivered()),
            labels_uri=join(work, "labels.parquet"),
            snapshot=snapshot_of(self._delivered(), outcomes),
            champion=None,
            tracking_uri=self.tracking_uri,
            work_uri=work,
            root=self.base,
            image=self.image,
        )
        write_request(request)
        return request

    def _delivered(self) -> list[Partition]:
        import hashlib

        if not self._partitions:
            for day in range(DAYS):
                start, content = START + pd.Timedelta(days=day), parquet(rows_of(day).drop(columns="y"))
                uri = join(self.base, "data", f"{start:%Y-%m-%d}.parquet")
                write_bytes(uri, content)
                digest = "sha256:" + hashlib.sha256(content).hexdigest()
                end = start + pd.Timedelta(days=1)
                self._partitions.append(Partition(f"{start:%Y-%m-%d}", start, end, digest, uri))
        return self._partitions


def local(folder: Path) -> Runner:
    project = folder / "project"
    project.mkdir()
    shutil.copy(PROJECT, project)
    home, tracking = folder / "home", f"sqlite:///{folder}/mlflow.db"

    def opened() -> LocalPipelines:
        return LocalPipelines(home / "turns")

    def lose(turn: str) -> None:
        os.killpg(int((home / "turns" / turn / LOCK).read_text()), signal.SIGKILL)

    registry = MlflowRegistry(tracking, home / "artifacts")
    return Runner(opened(), opened, registry, home.as_uri(), str(project), tracking, 60, lose)


def inline(folder: Path) -> Runner:
    project = folder / "project"
    project.mkdir()
    shutil.copy(PROJECT, project)
    registry = MemoryRegistry()
    pipelines = InlinePipelines(registry)
    return Runner(
        pipelines, lambda: pipelines, registry, (folder / "home").as_uri(), str(project), "memory:", 0,
        pipelines.cancel, concurrent=False, isolated=False,
    )  # fmt: skip
