"""Closes days: what each version lost on them, pair by pair and arm by arm.

A closed block is never changed. Every sequential test is a fold over closed blocks, so none of them keeps state of its
own and none can be looked at "one time too often".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.judge import AT_LEVEL
from tidemill.stats.calibration import apply, at_level
from tidemill.stats.scores import brier_rows, entropy_rows, log_loss_rows

from . import standing
from .context import Context
from .model import Role

if TYPE_CHECKING:
    import pandas as pd

LOOK_AGAIN = timedelta(hours=1)
LOSSES = {"log_loss": log_loss_rows, "brier": brier_rows}


def close_blocks(context: Context, now: datetime) -> None:
    champion = context.state.get(context.name, "champion", "current")
    if champion is None:
        return
    blocks = context.state.documents(context.name, "block")
    closed = {block["id"] for block in blocks}
    first = _midnight(datetime.fromisoformat(champion["first_since"]))
    day = max((_day(id) for id in closed), default=first - timedelta(days=1))
    # Days that had no label when their time came are looked at again until the labels are given up.
    patience = context.spec.data.label.give_up_after
    candidates = [first + timedelta(days=n) for n in range((day - first).days + 1)]
    candidates = [d for d in candidates if f"{d:%Y-%m-%d}" not in closed and now <= context.fresh(d) + patience]
    day += timedelta(days=1)
    while context.fresh(day) <= now:
        candidates.append(day)
        day += timedelta(days=1)
    for candidate in candidates:
        if not _may_have_labels(context, candidate, now):
            continue
        labels = context.ports.outcomes.count(now)  # first: what comes while the day is read must be seen as new
        block = _block(context, candidate, now)
        if block is not None:
            context.state.put_once(context.name, "block", block["id"], block)
        else:
            looked = {"at": now.isoformat(), "labels": labels}
            context.state.put(context.name, "unlabelled", f"{candidate:%Y-%m-%d}", looked)


def _may_have_labels(context: Context, day: datetime, now: datetime) -> bool:
    """A day that was looked at and had nothing is looked at again when labels have come, and for what may have been
    logged late, once in a while: a day without a single request is asked for each minute otherwise."""
    looked = context.state.get(context.name, "unlabelled", f"{day:%Y-%m-%d}")
    if looked is None or now - datetime.fromisoformat(looked["at"]) >= LOOK_AGAIN:
        return True
    return bool(context.ports.outcomes.count(now) != looked["labels"])


def _block(context: Context, day: datetime, now: datetime) -> dict[str, Any] | None:
    rows = context.evidence.labelled(day, now)
    if rows.empty:
        return None
    id = f"{day:%Y-%m-%d}"
    versions = {str(version): _version(context, part, id) for version, part in rows.groupby("version")}
    rollout = running_rollout(context)
    served = rows[rows["served"]]
    return {
        "id": id,
        "closed_at": now.isoformat(),
        "served": {"n": len(served), "loss": _mean(log_loss_rows(_score(served), _label(served)))},
        "versions": versions,
        "pairs": {} if rollout is None else _pairs(context, rows, rollout["champion"], rollout["challenger"]),
        "arms": {} if rollout is None else _arms(context, day, rollout, set(rows["key"])),
    }


def _version(context: Context, rows: pd.DataFrame, day: str) -> dict[str, Any]:
    raw, score, label = rows["raw"].to_numpy(float), _score(rows), _label(rows)
    result = {
        "n": len(rows),
        "loss": _mean(log_loss_rows(score, label)),
        "brier": _mean(brier_rows(score, label)),
        "raw_loss": _mean(log_loss_rows(raw, label)),
        "promised": _mean(entropy_rows(score)),
        "candidate_loss": None,
    }
    candidate = candidate_calibrator(context, str(rows["version"].iloc[0]), before=day)
    if candidate is not None:
        corrected = apply(raw, candidate["intercept"], candidate["slope"])
        result["candidate_loss"] = _mean(log_loss_rows(corrected, label))
    return result


def candidate_calibrator(context: Context, version: str, before: str) -> dict[str, Any] | None:
    """The latest correction fitted only on days before `before`: its gain on that day is an honest one."""
    fits = [fit for fit in context.calibrators(version) if fit["through"] < before]
    return max(fits, key=lambda fit: str(fit["through"]), default=None)


def _pairs(context: Context, rows: pd.DataFrame, champion: str, challenger: str) -> dict[str, Any]:
    """Both versions on the same requests: everything that makes a day easy or hard cancels out. Where the loop repairs
    levels nightly, once more with the challenger at the champion's level: what a repair cannot mend."""
    left = rows[rows["version"] == champion].drop_duplicates("key")
    right = rows[rows["version"] == challenger].drop_duplicates("key")
    both = left.merge(right[["key", "score"]], on="key", suffixes=("", "_challenger"))
    if both.empty:
        return {}
    label, mine, theirs = _label(both), both["score_challenger"].to_numpy(float), _score(both)
    differences = {name: _mean(loss(mine, label) - loss(theirs, label)) for name, loss in LOSSES.items()}
    if context.spec.model.recalibrate.when != "never":
        level = at_level(mine, float(np.mean(theirs)))
        differences |= {
            name + AT_LEVEL: _mean(loss(level, label) - loss(theirs, label)) for name, loss in LOSSES.items()
        }
    return {challenger: {"champion": champion, "n": len(both), "differences": differences}}


def _arms(context: Context, day: datetime, rollout: dict[str, Any], labelled_keys: set[str]) -> dict[str, Any]:
    """How the two arms answered since the present step began; needs no labels, only requests."""
    if not rollout["steps"]:
        return {}
    step = rollout["steps"][-1]
    weight = step.get("canary")
    if weight is None:
        return {}
    slo = next((m.slo for m in context.spec.rollout.judge.metrics if m.slo is not None), None)
    rows = context.evidence.predictions(day)
    rows = rows[rows["at"] >= datetime.fromisoformat(step["started_at"])]
    champion = rows[(rows["role"] == Role.CHAMPION) & (rows["version"] == rollout["champion"])]
    challenger = rows[(rows["role"] == Role.CANARY) & (rows["version"] == rollout["challenger"])]
    if champion.empty and challenger.empty:
        return {}
    seen = _split_before(context, day, rollout)
    counts = {"champion": _counts(champion, slo, seen), "challenger": _counts(challenger, slo, seen)}
    outcomes = int(challenger["key"].isin(labelled_keys).sum())
    return {rollout["challenger"]: {"step": step["index"], "weight": weight, "outcomes": outcomes, **counts}}


def _split_before(context: Context, day: datetime, rollout: dict[str, Any]) -> set[str]:
    """Keys that the canary's split has drawn on earlier days. They draw the same again, whatever the weight: a customer
    who comes every day is one draw, not thirty."""
    began = datetime.fromisoformat(next(step["started_at"] for step in rollout["steps"] if step.get("canary")))
    seen: set[str] = set()
    before = _midnight(began)
    while before < day:
        rows = context.evidence.predictions(before)
        seen.update(rows.loc[(rows["at"] >= began) & rows["role"].isin([Role.CHAMPION, Role.CANARY]), "key"])
        before += timedelta(days=1)
    return seen


def _counts(rows: pd.DataFrame, slo: timedelta | None, seen: set[str]) -> dict[str, int]:
    slow = 0 if slo is None else int((rows["latency_ms"] > slo.total_seconds() * 1000).sum())
    errors = int((rows["status"] != "ok").sum())
    return {"requests": len(rows), "errors": errors, "slow": slow, "new_keys": len(set(rows["key"]) - seen)}


def running_rollout(context: Context) -> dict[str, Any] | None:
    return standing.running_rollout(context.state, context.name)


def quarantined_days(context: Context) -> set[str]:
    """Days whose data was held back: what a model does with broken data is no evidence about the model."""
    partitions = context.state.documents(context.name, "partition")
    return {partition["id"] for partition in partitions if partition["status"] == "quarantined"}


def sound_blocks(context: Context) -> list[dict[str, Any]]:
    """Closed blocks of days that were not quarantined, in order."""
    broken = quarantined_days(context)
    blocks = [block for block in context.state.documents(context.name, "block") if block["id"] not in broken]
    return sorted(blocks, key=lambda block: str(block["id"]))


def _score(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    return rows["score"].to_numpy(float)


def _label(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    return rows["label"].to_numpy(float)


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _day(id: str) -> datetime:
    return datetime.fromisoformat(id).replace(tzinfo=UTC)
