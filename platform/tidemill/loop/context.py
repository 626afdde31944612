"""What every step of a tick is given: the spec, where the project is, and the ports."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import ModelLoop, ModelLoopSpec
from tidemill.stats.summary import Summary

from .counting import Came, Followed
from .documents.partition import PartitionDocument
from .documents.repair import CalibratorDocument
from .documents.store import Kind, Reader, kind_of, read_one
from .errors import TidemillError
from .evidence import Evidence
from .ports import (
    DataSource,
    Entry,
    Notifier,
    Outcomes,
    Pipelines,
    PredictionReader,
    Registry,
    Serving,
    State,
    Validator,
)
from .ports import Write as Write
from .turn.files import join


@dataclass(frozen=True)
class Ports:
    source: DataSource
    log: PredictionReader
    outcomes: Outcomes
    registry: Registry
    serving: Serving
    pipelines: Pipelines
    validator: Validator
    notifier: Notifier
    state: State


@dataclass(frozen=True)
class Event:
    """Something that happened, or (in `waiting`) something that does not yet, and why."""

    at: datetime
    event: str
    reason: Reason
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass
class Context:
    """One loop at work. `home` is where turns keep their files; `events` and `waiting` gather what a tick did, and
    `refused` is why it could not submit its turn.

    `project` is the folder of the user's code: here, or inside `image` where steps run in containers. Relative paths of
    the spec are relative to `root`, a URI; by default that is the project's folder. `prefix` goes before the loop's
    name where namespaces share a registry. `followed` is what was counted of the keys of the running rollout, by its
    id, and `compared` what was compared in it on each day that is over.
    """

    loop: ModelLoop
    project: Path
    home: Path | str
    tracking_uri: str
    ports: Ports
    root: str = ""
    image: str = ""
    prefix: str = ""
    events: list[Event] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)
    refused: TidemillError | None = None
    followed: dict[str, Followed] = field(default_factory=dict)
    compared: dict[str, dict[datetime, Came]] = field(default_factory=dict)
    evidence: Evidence = field(init=False)
    _reader: Reader = field(default_factory=Reader)
    _summaries: dict[tuple[str, str], Summary] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.evidence = Evidence(self.ports.log, self.ports.outcomes)

    @property
    def name(self) -> str:
        return self.loop.metadata.name

    @property
    def spec(self) -> ModelLoopSpec:
        return self.loop.spec

    def uri(self, relative: str) -> str:
        """Where something lies that the spec names by a relative path."""
        return join(self.root or str(self.project), relative)

    def work_uri(self, turn: str) -> str:
        """The folder in which a turn keeps its files."""
        home = self.home.absolute().as_uri() if isinstance(self.home, Path) else self.home
        return join(home, "turns", turn)

    @property
    def state(self) -> State:
        return self.ports.state

    def document(self, type: type[Kind], id: str) -> Kind | None:
        return read_one(self.state, self.name, type, id)

    def documents(self, type: type[Kind], of: str = "") -> list[Kind]:
        """In the order in which they were first put; `of` as of `read_all`."""
        return self._reader.all(self.state, self.name, type, of)

    def forget(self) -> None:
        """At the end of a tick: a thousand loops that rest keep no documents in memory."""
        self._reader.forget()

    def record(self, event: Event, writes: list[Write], id: str) -> None:
        """Writes and their line in the ledger, all or none; then tells whoever wants to know."""
        document = {"reason": str(event.reason), "message": event.message, "evidence": event.evidence}
        self.state.transact(self.name, writes, [Entry(id, event.at, event.event, document)])
        self.events.append(event)
        self.ports.notifier.notify(self.name, event.at, event.event, event.message)

    def wait(self, event: Event) -> None:
        self.waiting.append(event)

    def summary(self, document: PartitionDocument) -> Summary | None:
        """The summary of an admitted partition, read once per content; None where none was made (gate off)."""
        wanted = (document.id, document.digest)
        if wanted not in self._summaries:
            stored = self.state.get(self.name, "summary", document.id)
            if stored is None:
                return None
            self._summaries[wanted] = Summary.from_dict({k: v for k, v in stored.items() if k != "digest"})
        return self._summaries[wanted]

    def calibrators(self, version: str) -> list[CalibratorDocument]:
        """Every correction fitted for a version, oldest first."""
        return self.documents(CalibratorDocument, version)

    def put_calibrator(self, fitted: CalibratorDocument) -> None:
        kind = kind_of(CalibratorDocument, fitted.version)
        self.state.put_once(self.name, kind, fitted.id, fitted.stored())
