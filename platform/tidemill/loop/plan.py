"""What the next tick would do and why: the very same tick, on ports that remember instead of acting."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .context import Context
from .model import ModelVersion, Phase, Readiness, Receipt, Route, TurnRequest, TurnStatus
from .ports import Entry, Outcomes, Pipelines, Registry, Serving, State, Write
from .tick import TickReport, tick

if TYPE_CHECKING:
    import pandas as pd


def plan(context: Context, now: datetime) -> TickReport:
    """Leaves every store, file and backend as it is."""
    ports = context.ports
    dry = replace(
        ports,
        state=_Overlay(ports.state),
        outcomes=_DryOutcomes(ports.outcomes),
        registry=_DryRegistry(ports.registry),
        serving=_DryServing(ports.serving),
        pipelines=_DryPipelines(ports.pipelines),
        notifier=_Silence(),
    )
    with tempfile.TemporaryDirectory() as scratch:
        rehearsal = replace(context, home=Path(scratch), ports=dry, events=[], waiting=[])
        return tick(rehearsal, now)


class _Overlay:
    """Reads through; writes stay in memory."""

    def __init__(self, below: State) -> None:
        self._below = below
        self._written: dict[tuple[str, str], dict[str, Any]] = {}

    @contextmanager
    def lease(self, loop: str) -> Iterator[None]:
        yield

    def put_once(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> bool:
        if self.get(loop, kind, id) is not None:
            return False
        self.put(loop, kind, id, document)
        return True

    def put(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> None:
        self._written[kind, id] = dict(document)

    def get(self, loop: str, kind: str, id: str) -> dict[str, Any] | None:
        return self._written.get((kind, id)) or self._below.get(loop, kind, id)

    def documents(self, loop: str, kind: str) -> list[dict[str, Any]]:
        mine = {id: document for (written, id), document in self._written.items() if written == kind}
        # Not every kind's documents carry the id they are stored under; those that do not are only ever added to.
        below = [mine.pop(str(document.get("id")), document) for document in self._below.documents(loop, kind)]
        return [*below, *mine.values()]

    def transact(self, loop: str, writes: Sequence[Write], ledger: Sequence[Entry] = ()) -> None:
        for write in writes:
            self.put(loop, write.kind, write.id, write.document)

    def ledger(self, loop: str) -> list[dict[str, Any]]:
        return self._below.ledger(loop)


class _DryOutcomes:
    def __init__(self, below: Outcomes) -> None:
        self._below = below
        self._new: list[pd.DataFrame] = []

    def record(self, labels: pd.DataFrame, at: datetime, source: str) -> Receipt:
        self._new.append(labels.assign(arrived_at=at))
        return Receipt(len(labels), 0, 0)

    def known(self, by: datetime, since: datetime | None = None) -> pd.DataFrame:
        import pandas as pd

        frames = [self._below.known(by, since), *self._new]
        return pd.concat(frames).drop_duplicates("key") if self._new else frames[0]

    def count(self, by: datetime | None = None, since: datetime | None = None) -> int:
        if not self._new:
            return self._below.count(by, since)
        return len(self.known(by or datetime.max.replace(tzinfo=UTC), since))


class _DryRegistry:
    def __init__(self, below: Registry) -> None:
        self._below = below

    def register(self, name: str, artifact_uri: str, digest: str, turn: str, tags: Mapping[str, str]) -> ModelVersion:
        return ModelVersion("planned", artifact_uri, digest, turn, "", tags)

    def versions(self, name: str) -> list[ModelVersion]:
        return self._below.versions(name)

    def get(self, name: str, version: str) -> ModelVersion:
        return self._below.get(name, version)

    def aliases(self, name: str) -> dict[str, str]:
        return self._below.aliases(name)

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        return None


class _DryServing:
    def __init__(self, below: Serving) -> None:
        self._below = below

    def prepare(self, version: ModelVersion) -> Readiness:
        return Readiness(True)

    def set_route(self, route: Route) -> None:
        return None

    def route(self, loop: str) -> Route | None:
        return self._below.route(loop)


class _DryPipelines:
    def __init__(self, below: Pipelines) -> None:
        self._below = below
        self._planned: set[str] = set()

    def submit(self, request: TurnRequest) -> None:
        self._planned.add(request.id)

    def status(self, turn: str) -> TurnStatus:
        return TurnStatus(Phase.RUNNING) if turn in self._planned else self._below.status(turn)

    def cancel(self, turn: str) -> None:
        return None

    def wait(self, turn: str, seconds: float) -> TurnStatus:
        return self.status(turn)


class _Silence:
    def notify(self, loop: str, at: datetime, reason: str, message: str) -> None:
        return None
