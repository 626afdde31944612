"""What the two versions of a rollout lose on the same rows, one by the other, of a block and of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.judge import AT_LEVEL
from tidemill.stats.calibration import at_level
from tidemill.stats.eprocess import part_ends
from tidemill.stats.scores import brier_rows, log_loss_rows

from .blocks import label_of, score_of
from .compared import Earlier
from .context import Context
from .documents.rollout import RolloutDocument
from .units import by_unit, unit_variance

if TYPE_CHECKING:
    import pandas as pd

LOSSES = {"log_loss": log_loss_rows, "brier": brier_rows}


def differences(
    context: Context,
    rollout: RolloutDocument,
    rows: pd.DataFrame,
    before: list[dict[str, Any]],
    earlier: Earlier,
    start: datetime,
) -> dict[str, Any]:
    """The fields of a PairDocument that say how the versions differ on `rows`: labelled rows of the block that begins
    at `start`, in the order of their events. `before`: the stored blocks that are closed."""
    if rows.empty:
        return {"differences": {}}
    label, mine, other = label_of(rows), rows["score_challenger"].to_numpy(float), score_of(rows)
    of_rows = {name: loss(mine, label) - loss(other, label) for name, loss in LOSSES.items()}
    if recalibrates(context) if rollout.at_level is None else rollout.at_level:
        level = at_level(mine, float(np.mean(other)))
        of_rows |= {name + AT_LEVEL: loss(level, label) - loss(other, label) for name, loss in LOSSES.items()}
    found: dict[str, Any] = {
        "differences": {name: float(np.mean(values)) for name, values in of_rows.items()},
        "variance": float(np.var(of_rows["log_loss"])),
    }
    if rollout.unit is not None:
        units = by_unit(of_rows, rows["unit"], earlier.units(start))
        ends = part_ends(unit_variance(before), _margin(context, rollout), units.number) if units.number else []
        return {**found, **units.figures(), "parts": _parts(units.means, ends)}
    if rollout.single_rows:
        variance = next((block["variance"] for block in reversed(before) if block.get("variance") is not None), None)
        found["parts"] = _parts(of_rows, part_ends(variance, _margin(context, rollout), len(rows)))
    return found


def recalibrates(context: Context) -> bool:
    """Whether the present spec has levels repaired: its rollouts are then compared at equal level, too."""
    return context.spec.model.recalibrate.when != "never"


def _parts(values: Mapping[str, np.ndarray[Any, Any]], ends: Sequence[int]) -> dict[str, tuple[float, ...]]:
    """The means of consecutive runs that end there."""
    runs = list(pairwise((0, *ends)))
    return {name: tuple(float(np.mean(of[start:end])) for start, end in runs) for name, of in values.items()}


def _margin(context: Context, rollout: RolloutDocument) -> float:
    metrics = rollout.rollout(context.spec.rollout).judge.metrics
    return min((m.margin for m in metrics if m.metric in LOSSES), default=1.0)
