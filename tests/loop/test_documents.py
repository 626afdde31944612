"""Documents have versions: old ones are brought up to date, newer ones are refused."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import SmallWorld, small
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.documents.base import NewerDocument
from tidemill.loop.documents.blocks import DayDocument, OperationalHour, PairDocument, Served, VersionDay
from tidemill.loop.documents.rollout import RolloutDocument, RolloutStep
from tidemill.loop.tick import tick

MOMENT = datetime(2024, 1, 1, 7, 30, tzinfo=UTC)
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
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.kind)
def test_what_is_stored_is_read_as_it_was(document: RolloutDocument) -> None:
    assert type(document).read(json.loads(json.dumps(document.stored()))) == document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.kind)
def test_a_document_of_a_later_release_is_refused_with_what_to_do(document: RolloutDocument) -> None:
    later = document.stored() | {"v": document.schema_version() + 1}
    with pytest.raises(NewerDocument, match=r"version \d; this release reads versions up to \d\. Run the release"):
        type(document).read(later)


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_are_stored_as_they_are_compared(moment: datetime) -> None:
    stored = OperationalHour(id="x", blocks=()).stored()
    assert stored == {"v": 1, "id": "x", "blocks": []}
    assert RolloutStep(index=0, started_at=moment).model_dump(mode="json")["started_at"] == moment.isoformat()


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
