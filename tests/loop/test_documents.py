"""Documents have versions: old ones are brought up to date, newer ones are refused."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from small_world import SmallWorld, small
from stored import partition, turn
from tidemill.adapters.sql.schema import documents
from tidemill.adapters.sql.state import SqlState
from tidemill.decisions.signal import Signal
from tidemill.decisions.verdict import Reason
from tidemill.loop.asking import ask
from tidemill.loop.documents.arrival import ArrivalDocument, UsualDocument
from tidemill.loop.documents.base import Document, NewerDocument
from tidemill.loop.documents.blocks import (
    DayDocument,
    OperationalHour,
    OperationThrough,
    PairDocument,
    Served,
    VersionDay,
)
from tidemill.loop.documents.champion import ChampionDocument, ReignDocument
from tidemill.loop.documents.incident import Incident
from tidemill.loop.documents.look import Look
from tidemill.loop.documents.loop import LoopDocument
from tidemill.loop.documents.partition import PartitionDocument
from tidemill.loop.documents.registered import RegisteredVersion
from tidemill.loop.documents.repair import CalibratorDocument, RepairDocument
from tidemill.loop.documents.request import RequestDocument
from tidemill.loop.documents.rollout import RolloutDocument, RolloutStep
from tidemill.loop.documents.route import ToldRoute
from tidemill.loop.documents.signal import AlertDocument, SignalDocument
from tidemill.loop.documents.tick import FailedStep, FailedSteps, LastTick, Waiting, Waits
from tidemill.loop.documents.turn import TurnDocument
from tidemill.loop.model import ModelVersion
from tidemill.loop.tick import tick

MOMENT = datetime(2024, 1, 1, 7, 30, tzinfo=UTC)
NOTHING = object()
STORES = Path(__file__).parent / "stores"
DOCUMENTS = [
    RolloutDocument(
        id="r", challenger="2", champion="1", turn="r", status="paused", reason="Inconclusive", message="m",
        started_at=MOMENT, steps=(RolloutStep(index=0, started_at=MOMENT, canary=0.1),), evidence={"a": None},
    ),
    DayDocument(id="2024-01-01", closed_at=MOMENT, due=9, labelled=8, served=Served(n=8, loss=0.5),
                versions={"1": VersionDay(n=8, loss=0.5)}),
    PairDocument(id="x", start=MOMENT, end=MOMENT, closed_at=MOMENT, due=3, n=2, step=0, answered=1,
                 differences={"log_loss": 0.1}, parts={"log_loss": (0.1, 0.2)}),
    OperationalHour(id="2024-01-01T07", blocks=({"id": "x"},)),
    OperationThrough(through=MOMENT),
    Look(at=MOMENT, labels=3, due=2),
    LoopDocument(since=MOMENT, spec={"a": 1}, digest="d"),
    LastTick(at=MOMENT),
    Waiting(waiting=(Waits(event="turn.waiting", reason="Cooldown", message="m"),)),
    FailedSteps(steps={"data": FailedStep(message="m", since=MOMENT, last=MOMENT, count=2, temporary=True)}),
    ToldRoute(number=1, digest="d", route={"arms": []}),
    RegisteredVersion.of(ModelVersion("1", "memory:1", "sha256:1", "t", "r", {"a": "b"})),
    Incident(id="unlike-2024-01-01", since="2024-01-01", until="2024-01-03", opened_on="2024-01-03", columns=("x",),
             partitions=3, opened_at=MOMENT),
    AlertDocument.of(Signal(Reason.DRIFT, "drift-1", "m", {"a": None})),
    PartitionDocument.read(partition("2024-01-01", distance=0.5, moved=("x",), kinds={"x": "number"})),
    SignalDocument.of(Signal(Reason.MANUAL, "manual-1", "Asked for by ann", {"a": None}), MOMENT),
    TurnDocument.read(turn("t", status="accepted", finished_at=MOMENT, result={"a": {}}, version="1")),
    ChampionDocument(
        version="1", turn="t", since=MOMENT, first_since=MOMENT, previous=None, baseline=None, excess=0.0,
        excess_error=None, excess_days=0, reason="Bootstrap",
    ),
    CalibratorDocument(
        id="1@2024-01-01", digest="d", version="1", through="2024-01-01", days=1, rows=9, intercept=0.1, slope=1.0,
        fitted_at=MOMENT,
    ),
    RepairDocument(version="1", serving=True, through="2024-01-01/1", reason="Earned", message="m", evidence={}),
    RequestDocument(id="x", what="train", by="ann", note="", at=MOMENT, target=None, handled_at=None),
    ArrivalDocument(id="2024-01-01", due=9, share=0.5, ages={"0": 60.0}),
    UsualDocument(share=None, as_of="2024-01-01"),
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.kind)
def test_what_is_stored_is_read_as_it_was(document: Document) -> None:
    assert type(document).read(json.loads(json.dumps(document.stored()))) == document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.kind)
def test_a_document_of_a_later_release_is_refused_with_what_to_do(document: Document) -> None:
    later = document.stored() | {"v": document.schema_version() + 1}
    with pytest.raises(NewerDocument, match=r"version \d; this release reads versions up to \d\. Run the release"):
        type(document).read(later)


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_are_stored_as_they_are_compared(moment: datetime) -> None:
    stored = OperationalHour(id="x", blocks=()).stored()
    assert stored == {"v": 1, "id": "x", "blocks": []}
    assert RolloutStep(index=0, started_at=moment).model_dump(mode="json")["started_at"] == moment.isoformat()


# By the beginning of the kind, up to a slash; those of a tick by their id.
TYPES: dict[str, type[Document]] = {
    type.kind: type
    for type in (
        AlertDocument, ArrivalDocument, CalibratorDocument, ChampionDocument, DayDocument, Incident, Look, LoopDocument,
        OperationalHour, OperationThrough, PairDocument, PartitionDocument, RegisteredVersion, ReignDocument,
        RepairDocument, RequestDocument, RolloutDocument, SignalDocument, ToldRoute, TurnDocument, UsualDocument,
    )
}  # fmt: skip
TICK: dict[str, type[Document]] = {type.id: type for type in (FailedSteps, LastTick, Waiting)}


def type_of(kind: str, id: str) -> type[Document]:
    return TICK[id] if kind == "tick" else TYPES[kind.partition("/")[0]]


def test_every_document_of_the_release_before_is_read_by_its_type_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    state = opened(tmp_path / "home")
    read = 0
    for kind in kinds_in(state):
        for id, stored in stored_in(state, kind):
            type = type_of(kind, id)
            again = type.read(stored).stored()
            read += 1
            # A closed day is never written again.
            assert type is DayDocument or all(again.get(key, NOTHING) == value for key, value in stored.items())
    assert read > 100


def test_every_document_that_the_loop_writes_has_a_type(tmp_path: Path) -> None:
    """Over a month with turns, corrections and a request."""
    it = small(tmp_path, SmallWorld(rows=60, turn=date(2020, 2, 15)))
    it.replay.bootstrap()
    for _ in zip(range(30), it.replay.days(), strict=False):
        pass
    ask(it.context.state, "small", "train", "ann", "", it.clock.now())
    tick(it.context, it.clock.now())
    assert isinstance(it.context.state, SqlState)
    kinds = kinds_in(it.context.state)
    calm = {"alert", "incident", "looked at"}  # nothing changed or was late in that month
    assert {kind.partition("/")[0] for kind in kinds} >= TYPES.keys() - calm
    for kind in kinds:
        for id, stored in stored_in(it.context.state, kind):
            assert type_of(kind, id).read(stored).stored() == stored


def kinds_in(state: SqlState) -> list[str]:
    """All but summaries, which have a version of their own (stats.summary)."""
    with state.database.engine.connect() as connection:
        kinds = connection.execute(sa.select(documents.c.kind).distinct()).scalars()
        return [kind for kind in kinds if kind != "summary"]


def stored_in(state: SqlState, kind: str) -> list[tuple[str, dict[str, Any]]]:
    of_kind = sa.select(documents.c.id, documents.c.body).where(documents.c.kind == kind)
    with state.database.engine.connect() as connection:
        return [(id, body) for id, body in connection.execute(of_kind)]


def opened(folder: Path) -> SqlState:
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "state.db")
    connection.executescript((STORES / "state-0.1.sql").read_text())
    connection.close()
    return SqlState(f"sqlite:///{folder}/state.db")


def test_a_store_of_the_release_before_opens_and_its_loop_goes_on(tmp_path: Path) -> None:
    """With days closed, a rollout in its canary and a correction that serves."""
    state = opened(tmp_path / "home")
    (stored,) = [r for r in state.documents("small", "rollout") if r["status"] == "running"]
    old = RolloutDocument.read(stored)
    assert (old.rules, old.block_hours, len(old.steps)) == (None, None, 2)
    days = [DayDocument.read(document) for document in state.documents("small", "block")]
    assert sum(day.served.n for day in days) > 1000
    it = small(tmp_path, SmallWorld(start=datetime(2020, 1, 8).date(), rows=60))
    assert it.context.state.ledger("small") == state.ledger("small")
    it.plane._models = {version: object() for version in ("1", "2", "3", "4")}
    now = datetime(2020, 2, 29, 7, tzinfo=UTC)
    known = {version: _version(version) for version in it.plane._models}
    it.registry.get = lambda name, version: known[version]  # type: ignore[method-assign]
    report = tick(it.context, now)
    assert report.failures == ()
    (after,) = [r for r in it.context.state.documents("small", "rollout") if r["status"] == "running"]
    assert after["v"] == RolloutDocument.schema_version()
    route = it.plane.route("small")
    assert route is not None
    assert [str(arm.role) for arm in route.arms] == ["champion", "canary"]


def _version(version: str):  # type: ignore[no-untyped-def]
    from tidemill.loop.model import ModelVersion

    return ModelVersion(version, "memory:", "", "")
