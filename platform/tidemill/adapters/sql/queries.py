"""What a server asks of a store that one loop's State does not: which loops there are, pages of a ledger, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.schema import documents, ledger
from tidemill.adapters.sql.state import line


@dataclass
class Overview:
    """One loop in figures, as little as metrics need."""

    champion: dict[str, Any] | None = None
    rollout: dict[str, Any] | None = None
    partitions: dict[str, int] = field(default_factory=dict)
    turn: dict[str, Any] | None = None
    last_tick: str | None = None
    failing: dict[str, str] = field(default_factory=dict)  # step -> since when
    incidents: int = 0  # that wait for a person's answer


def loops(database: Database, prefix: str = "") -> list[str]:
    """Keys of the loops that have ticked and were not deleted, in order."""
    deleted = documents.c.body["deleted_at"].as_string()  # not the whole spec
    query = sa.select(documents.c.loop, deleted).where(documents.c.kind == "loop", documents.c.id == "self")
    if prefix:
        query = query.where(documents.c.loop.startswith(prefix, autoescape=True))
    with database.transaction(write=False) as connection:
        rows = connection.execute(query.order_by(documents.c.loop)).all()
    return [loop for loop, gone in rows if not gone]


def page(
    database: Database, loop: str, after: int, limit: int, events: Sequence[str] = (), newest: bool = False
) -> tuple[list[dict[str, Any]], int | None]:
    """Lines of the ledger in order, and where the next page begins (None: there is none). With `newest` the last
    `limit` lines. `events` are names or the beginnings of names."""
    query = sa.select(ledger).where(ledger.c.loop == loop, ledger.c.seq > after)
    if events:
        query = query.where(sa.or_(*(ledger.c.event.startswith(event, autoescape=True) for event in events)))
    query = query.order_by(ledger.c.seq.desc() if newest else ledger.c.seq).limit(limit + 1)
    with database.transaction(write=False) as connection:
        rows = list(connection.execute(query).mappings())
    more, rows = len(rows) > limit, rows[:limit]
    if newest:
        return [line(row) for row in reversed(rows)], None
    return [line(row) for row in rows], rows[-1]["seq"] if more else None


def overview(database: Database) -> dict[str, Overview]:
    """By key of the loop. One query a figure for all loops together; no document that grows with time is read whole."""
    found = {key: Overview() for key in loops(database)}
    body, kind = documents.c.body, documents.c.kind
    status = body["status"].as_string()
    last_turns = sa.select(sa.func.max(documents.c.seq)).where(kind == "turn").group_by(documents.c.loop)
    current = (kind == "champion") & (documents.c.id == "current")
    running = (kind == "rollout") & status.in_(("running", "paused"))
    with database.transaction(write=False) as connection:

        def rows(*columns: Any, where: Any, group: tuple[Any, ...] = ()) -> Sequence[Any]:
            query = sa.select(documents.c.loop, *columns).where(where)
            every = connection.execute(query.group_by(*group) if group else query.order_by(documents.c.seq)).all()
            return [row for row in every if row[0] in found]

        for loop, document in rows(body, where=current):
            found[loop].champion = document
        for loop, document in rows(body, where=running):
            found[loop].rollout = document
        group = (documents.c.loop, status)
        for loop, state, count in rows(status, sa.func.count(), where=kind == "partition", group=group):
            found[loop].partitions[state] = count
        reason = body["reason"].as_string()
        for loop, state, why in rows(status, reason, where=documents.c.seq.in_(last_turns)):
            found[loop].turn = {"status": state, "reason": why}
        for loop, at in rows(body["at"].as_string(), where=(kind == "tick") & (documents.c.id == "last")):
            found[loop].last_tick = at
        for loop, document in rows(body, where=(kind == "tick") & (documents.c.id == "failures")):
            found[loop].failing = {step: failed["since"] for step, failed in document["steps"].items()}
        asked = (kind == "incident") & (body["state"].as_string() == "open")
        for loop, count in rows(sa.func.count(), where=asked, group=(documents.c.loop,)):
            found[loop].incidents = count
    return found
