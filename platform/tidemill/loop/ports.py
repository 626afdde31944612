"""The interfaces the loop needs. One backend a file behind each, in `tidemill.adapters`; one contract suite a port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from .model import ModelVersion, Partition, Readiness, Receipt, Route, TurnRequest, TurnStatus

if TYPE_CHECKING:
    import pandas as pd  # a gateway that scores elsewhere never loads it


@dataclass(frozen=True)
class Write:
    """A document to be put under (kind, id)."""

    kind: str
    id: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A line of the ledger. `event` is past tense: champion.promoted, partition.quarantined, turn.started."""

    id: str
    at: datetime
    event: str
    document: Mapping[str, Any]


class Clock(Protocol):
    def now(self) -> datetime:
        """The present, timezone-aware UTC."""


class DataSource(Protocol):
    @property
    def place(self) -> str:
        """Where deliveries are looked for, as a person would name it: a folder and a pattern."""

    def partitions(self) -> list[Partition]:
        """What has been delivered so far, by start. Cheap: unchanged files are not read again."""

    def read(self, partition: Partition) -> pd.DataFrame:
        """The rows. Raises DataUnreadable where the delivered bytes are no table."""


class PredictionReader(Protocol):
    """Every prediction that was logged. Columns: request_id, key (str), event_time, at (UTC), version, role, served
    (bool: its score was the answer), status (ok | error | timeout), raw (model's own probability), score (after the
    calibrator), calibrator (id or None), fallback (bool), latency_ms, weight, unit (str or None). Written once per
    version that scored the key.

    `role` is the arm's that the key was drawn for; a fallback's row has the role of the arm that it stands in for, and
    `fallback`, whether it answered or failed. So has a row of what answers while the champion cannot serve. A
    mirrored copy has the role shadow, whatever its version answers otherwise, and is never served. `weight` is the
    arm's share of keys in the route that the data plane had; 0 for a mirrored copy; null for a version that was asked
    for by name, and for rows of releases that did not log it. `unit` is the request's value of the column that the
    route names; null where the route names none, where the request has no value, and for rows of such releases."""

    def read(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Rows with start <= event_time < end, one per (key, version): the first; retries are not evidence."""

    def answers(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Rows with start <= at < end in the order of `at`, whatever their event_time: all that was tried, retries
        too."""


class PredictionLog(PredictionReader, Protocol):
    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Durable against a killed process when it returns."""


class Outcomes(Protocol):
    def record(self, labels: pd.DataFrame, at: datetime, source: str) -> Receipt:
        """Columns key (str), label (float, NaN rows are ignored). Idempotent; durable when it returns."""

    def known(self, by: datetime, since: datetime | None = None) -> pd.DataFrame:
        """Columns key, label, arrived_at: the first label of each key that arrived at or before `by`, and after
        `since` where given."""

    def count(self, by: datetime | None = None, since: datetime | None = None) -> int:
        """How many keys `known` would tell of; without reading them. `by` None: whenever they arrived."""


class Registry(Protocol):
    def register(self, name: str, artifact_uri: str, digest: str, turn: str, tags: Mapping[str, str]) -> ModelVersion:
        """Registers once per turn: called again for the same turn, it returns the version that exists."""

    def versions(self, name: str) -> list[ModelVersion]: ...

    def get(self, name: str, version: str) -> ModelVersion:
        """Raises VersionUnknown."""

    def aliases(self, name: str) -> dict[str, str]: ...

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        """None removes the alias. Idempotent."""


class Serving(Protocol):
    def prepare(self, version: ModelVersion) -> Readiness:
        """Make a version able to answer; called every tick until it is ready. Never gives it traffic."""

    def set_route(self, route: Route) -> None:
        """Idempotent and durable: a restarted data plane serves the last route. Raises NotReady for a version that
        is not ready."""

    def route(self, loop: str) -> Route | None: ...


class Pipelines(Protocol):
    def submit(self, request: TurnRequest) -> None:
        """Starts the run of this turn once, however often it is called."""

    def status(self, turn: str) -> TurnStatus: ...

    def cancel(self, turn: str) -> None:
        """Ends the run and all its processes. Idempotent."""

    def wait(self, turn: str, seconds: float) -> TurnStatus:
        """Blocks until the run has ended or the time is over."""


class Validator(Protocol):
    def failures(self, frame: pd.DataFrame, suite: str, per_partition: bool = True) -> list[str]:
        """One sentence for each expectation of the suite (a file's path or URI) that does not hold. With
        `per_partition` False the frame is many partitions, and what is expected of a day's number of rows does not
        apply."""


class Notifier(Protocol):
    def notify(self, loop: str, at: datetime, reason: str, message: str) -> None: ...


class State(Protocol):
    """The state store. Every method is one transaction; all writes are idempotent under their ids."""

    def lease(self, loop: str) -> AbstractContextManager[None]:
        """Holds the loop's lease, renewed while held. Raises LeaseHeld naming the holder."""

    def put_once(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> bool:
        """False where it is there already; the first document stays."""

    def put(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> None: ...

    def get(self, loop: str, kind: str, id: str) -> dict[str, Any] | None: ...

    def documents(self, loop: str, kind: str) -> list[dict[str, Any]]:
        """In the order in which the ids were first put."""

    def transact(self, loop: str, writes: Sequence[Write], ledger: Sequence[Entry] = ()) -> None:
        """Puts and ledger entries, all or none. An entry whose id is there already is left as it is: the ledger is
        only ever added to."""

    def ledger(self, loop: str) -> list[dict[str, Any]]: ...
