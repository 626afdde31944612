"""The smallest repair first: every night a correction of the served logit is refitted, and serves while it stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidemill.decisions.repair import RepairAction, RepairBlock, repair
from tidemill.stats.calibration import fit

from . import standing
from .blocks import sound_days
from .champions import current_champion
from .context import Context, Event
from .documents.blocks import DayDocument
from .documents.repair import CalibratorDocument, RepairDocument, latest_calibrator
from .documents.store import to_write
from .ids import digest_of
from .model import Calibrator

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 200  # fewer outcomes say less about intercept and slope than the identity does


def recalibrate(context: Context, now: datetime) -> None:
    champion = current_champion(context)
    if champion is None or context.spec.model.recalibrate.when == "never":
        return
    rollout = standing.running_rollout(context.state, context.name)
    versions = [champion.version] + ([] if rollout is None else [rollout["challenger"]])
    days = sound_days(context)
    for version in versions:
        mine = [day for day in days if version in day.versions]
        if mine:
            _refit(context, version, mine, now)
            _decide(context, version, mine, now)


def _refit(context: Context, version: str, blocks: list[DayDocument], now: datetime) -> None:
    through = blocks[-1].id
    if any(fitted.through == through for fitted in context.calibrators(version)):
        return
    since = datetime.fromisoformat(through) - context.spec.model.recalibrate.window + timedelta(days=1)
    window = [block for block in blocks if datetime.fromisoformat(block.id) >= since]
    if sum(block.versions[version].n for block in window) < MIN_ROWS:
        return
    import pandas as pd

    rows = pd.concat([_rows(context, version, block) for block in window])
    intercept, slope = fit(rows["raw"].to_numpy(float), rows["label"].to_numpy(float), rows["day"].to_numpy())
    fitted = CalibratorDocument(
        id=f"{version}@{through}",
        digest=digest_of([version, [block.id for block in window], len(rows), intercept, slope]),
        version=version,
        through=through,
        days=len(window),
        rows=len(rows),
        intercept=float(intercept),
        slope=float(slope),
        fitted_at=now,
    )
    context.put_calibrator(fitted)


def _rows(context: Context, version: str, block: DayDocument) -> pd.DataFrame:
    day = datetime.fromisoformat(block.id + "T00:00:00+00:00")
    rows = context.evidence.labelled(day, block.closed_at)
    return rows.loc[rows["version"] == version, ["raw", "label"]].assign(day=block.id)


def _decide(context: Context, version: str, days: list[DayDocument], now: datetime) -> None:
    before = context.document(RepairDocument, version)
    through = f"{days[-1].id}/{len(days)}"  # a day may close after a later one
    if before is not None and before.through == through:
        return
    served = before is not None and before.serving
    gains = [
        RepairBlock(day.id, own.n, own.raw_loss - own.candidate_loss)
        for day in days
        if (own := day.versions[version]).candidate_loss is not None and own.raw_loss is not None
    ]
    verdict = repair(tuple(gains), serving=served)
    serving = verdict.action is RepairAction.SERVE
    document = RepairDocument(
        version=version,
        serving=serving,
        through=through,
        reason=str(verdict.reason),
        message=verdict.message,
        evidence=dict(verdict.evidence),
    )
    write = to_write(document, version)
    if serving == served:
        context.state.transact(context.name, [write])
        return
    name = "calibrator.serving" if serving else "calibrator.withdrawn"
    evidence = {"version": version, **verdict.evidence}
    event = Event(now, name, verdict.reason, f"Version {version}: {verdict.message}", evidence)
    context.record(event, [write], f"repair/{version}/{through}")


def serving_calibrator(context: Context, version: str) -> Calibrator | None:
    """The latest correction of a version, if its place is earned."""
    decided = context.document(RepairDocument, version)
    return latest_calibrator(context.calibrators(version)) if decided is not None and decided.serving else None
