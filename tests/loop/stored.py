"""Whole documents as a store holds them, for tests that put them there by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.loop.documents.partition import PartitionDocument
from tidemill.loop.documents.turn import TurnDocument


def partition(id: str, **more: Any) -> dict[str, Any]:
    """A day that was admitted on the next morning."""
    start = datetime.fromisoformat(id).replace(tzinfo=UTC)
    end = start + timedelta(days=1)
    usual: dict[str, Any] = {
        "digest": f"sha256:{id}", "uri": f"memory:{id}", "start": start, "end": end, "status": "admitted",
        "reason": "Admitted", "message": "", "rows": 0, "revision": 1, "judged_at": end, "kinds": {},
    }  # fmt: skip
    return PartitionDocument(id=id, **{**usual, **more}).stored()


def turn(id: str, **more: Any) -> dict[str, Any]:
    """The first one, which runs."""
    usual: dict[str, Any] = {
        "number": 1, "status": "running", "reason": "Bootstrap", "message": "", "signals": ("Bootstrap",),
        "snapshot": "", "partitions": (), "rows": 0, "started_at": datetime(2020, 1, 1, tzinfo=UTC),
        "work_uri": f"memory:{id}", "attempts": 1, "champion": None,
    }  # fmt: skip
    return TurnDocument(id=id, **{**usual, **more}).stored()
