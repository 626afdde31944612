"""Rows as gateways log them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

DAY = datetime(2013, 3, 1, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)


def row(key: str, event_time: datetime = DAY, **more: Any) -> dict[str, Any]:
    ordinary = {"request_id": "r", "key": key, "event_time": event_time, "at": event_time, "version": "1",
                "role": "champion", "served": True, "status": "ok", "raw": 0.3, "score": 0.4, "calibrator": None,
                "fallback": False, "latency_ms": 1.5, "weight": 1.0, "unit": None}  # fmt: skip
    return {**ordinary, **more}
