"""A loop with a champion and a rollout under way, and rows of its prediction log, by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from small_world import Small, model_loop, small
from tidemill.loop.documents.rollout import RolloutDocument, RolloutStep

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def tried(folder: Path, canary: float | None = None, rules: dict[str, Any] | None = None, **more: Any) -> Small:
    """Version 1 serves, version 2 is in its first step since FIRST: a shadow of everything, or a canary."""
    it = small(folder, loop=model_loop(**more))
    name = it.context.name
    champion = {"version": "1", "turn": "t", "since": (FIRST - 9 * DAY).isoformat(), "previous": None,
                "first_since": FIRST.isoformat(), "baseline": None, "excess": 0.0, "reason": "Bootstrap"}  # fmt: skip
    it.context.state.put(name, "champion", "current", champion)
    step = RolloutStep(index=0, started_at=FIRST, shadow=1.0 if canary is None else None, canary=canary)
    document = RolloutDocument(
        id="r", challenger="2", champion="1", turn="t2", status="running", reason="Started", message="",
        started_at=FIRST, steps=(step,), block_hours=24, result={"register": {"version": "2"}, "evaluate": {}},
        rules=rules or it.context.spec.rollout.model_dump(by_alias=True, mode="json"),
    )  # fmt: skip
    it.context.state.put(name, "rollout", "r", document.stored())
    return it


def rollout(it: Small) -> RolloutDocument:
    return RolloutDocument.read(it.context.state.documents(it.context.name, "rollout")[-1])


def row(key: str, at: datetime, version: str = "1", role: str = "champion", **more: Any) -> dict[str, Any]:
    served = role != "shadow"
    weights = {"champion": 1.0, "canary": 0.5, "shadow": 0.0}
    usual = {"request_id": f"{key}@{at:%d%H%M%S}", "key": key, "event_time": at, "at": at, "version": version,
             "role": role, "served": served, "status": "ok", "raw": 0.5, "score": 0.5, "calibrator": None,
             "fallback": False, "latency_ms": 1.0, "weight": weights[role], "unit": None}  # fmt: skip
    return {**usual, **more}


def ask(
    it: Small, keys: Iterable[str], at: datetime, failed: Sequence[str] = (), unit: str | None = None, **challenger: Any
) -> None:
    """Both versions score each key in shadow; the challenger fails those in `failed`."""
    rows = []
    for key in keys:
        bad = {"status": "error", "score": None, "raw": None} if key in failed else {}
        challenger["unit"] = unit
        rows += [row(key, at, unit=unit), row(key, at, "2", "shadow", **{**challenger, **bad})]
    it.context.ports.log.append(rows)


def label(it: Small, keys: Iterable[str], at: datetime, value: float = 1.0) -> None:
    names = list(keys)
    it.context.ports.outcomes.record(pd.DataFrame({"key": names, "label": [value] * len(names)}), at, "test")
