"""Challenger, champion and baseline on one hold-out, each repaired alike: figures, slices, the acceptance's verdict."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.accept import AcceptAction, EvaluationFacts, SliceScore, accept
from tidemill.decisions.verdict import Verdict
from tidemill.loop.promise import recorded
from tidemill.spec.model_loop import ModelLoopSpec
from tidemill.stats import calibration, scores
from tidemill.stats.daily import UNKNOWN, daily_noise

from .data import Prepared, model_inputs
from .user_code import TrainerFailed, probabilities

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]
ROWS = {"log_loss": scores.log_loss_rows, "brier": scores.brier_rows}


def as_served(raw: Array, y: Array, days: Array, recalibrate: bool) -> Array:
    """What a version would answer on the hold-out: where the loop recalibrates nightly, corrected on each day by what
    the other days of the hold-out say.

    Challenger, champion and baseline get the same treatment. A champion corrected by its serving calibrator, which has
    seen the hold-out, beside a bare challenger would be no comparison; and two bare ones would mostly tell whose
    training data had the week's base rate, which the repair mends anyway.
    """
    if not recalibrate or not np.isfinite(raw).all():
        return raw
    score = raw.copy()
    for day in np.unique(days):
        other = days != day
        score[~other] = calibration.apply(raw[~other], *calibration.fit(raw[other], y[other], days[other]))
    return score


def metrics(p: Array, y: Array) -> dict[str, float]:
    """Every figure of a card. NaN probabilities give NaN figures, which acceptance refuses."""
    return {
        "log_loss": float(np.mean(scores.log_loss_rows(p, y))),
        "brier": float(np.mean(scores.brier_rows(p, y))),
        "auc": _finite_or_nan(scores.auc, p, y),
        "calibration_error": _finite_or_nan(scores.calibration_error, p, y),
    }


def _finite_or_nan(metric: Any, p: Array, y: Array) -> float:
    return float(metric(p, y)) if np.isfinite(p).all() else float("nan")


def evaluate(
    prepared: Prepared,
    spec: ModelLoopSpec,
    challenger: Any,
    baseline: Any,
    champion: Any | None,
    champion_saw_until: datetime | None,
) -> tuple[Verdict[AcceptAction], dict[str, Any], Array]:
    """The verdict, what to record (JSON-serialisable), and the challenger's probabilities on the hold-out."""
    import pandas as pd

    late = prepared.raw[prepared.late]
    inputs, y = model_inputs(late, spec), prepared.y.to_numpy()[prepared.late]
    days, nightly = late[spec.data.event_time].dt.date.to_numpy(), spec.model.recalibrate.when != "never"
    mine = as_served(probabilities(challenger, inputs, spec.model.trainer), y, days, nightly)
    heuristic = as_served(probabilities(baseline, inputs, spec.model.baseline), y, days, nightly)
    theirs = None if champion is None else as_served(_champion(champion, inputs), y, days, nightly)
    rows = ROWS[spec.evaluation.primary]
    others = {"baseline": heuristic} | ({} if theirs is None else {"champion": theirs})
    seen = 0
    if champion_saw_until is not None:
        seen = int((late[spec.data.event_time] < pd.Timestamp(champion_saw_until)).sum())
    facts = EvaluationFacts(
        rows=len(late),
        primary=spec.evaluation.primary,
        challenger=metrics(mine, y),
        champion=None if theirs is None else metrics(theirs, y),
        baseline=metrics(heuristic, y),
        slices={} if theirs is None else _slices(late, spec, mine, theirs, y),
        champion_seen_rows=seen,
        noise={who: daily_noise(rows(mine, y) - rows(other, y), days) for who, other in others.items()},
    )
    verdict = accept(facts, spec.evaluation.accept)
    record = {
        "rows": len(late),
        **_promise(mine, y, days),
        "challenger": _json(facts.challenger),
        "champion": None if facts.champion is None else _json(facts.champion),
        "baseline": _json(facts.baseline),
        "slices": {
            column: {
                value: {"rows": s.rows, **_json({"challenger": s.challenger, "champion": s.champion})}
                for value, s in values.items()
            }
            for column, values in facts.slices.items()
        },
        "evidence": dict(verdict.evidence),
    }
    return verdict, record, mine


def _promise(p: Array, y: Array, days: Array) -> dict[str, Any]:
    if not np.isfinite(p).all():
        return recorded(0.0, UNKNOWN)
    excess = scores.log_loss_rows(p, y) - scores.entropy_rows(p)
    return recorded(float(np.mean(excess)), daily_noise(excess, days))


def _champion(model: Any, inputs: pd.DataFrame) -> Array:
    """NaN where the champion cannot answer what is delivered now: that is a reason to replace it, not to keep it."""
    try:
        answers: Array = probabilities(model, inputs, "the champion")
    except TrainerFailed:
        return np.full(len(inputs), np.nan)
    return answers


def _slices(
    late: pd.DataFrame, spec: ModelLoopSpec, mine: Array, theirs: Array, y: Array
) -> dict[str, dict[str, SliceScore]]:
    import pandas as pd

    rows = ROWS[spec.evaluation.primary]
    table = pd.DataFrame(
        {"mine": rows(mine, y), "theirs": rows(theirs, y), "day": late[spec.data.event_time].dt.date.to_numpy()}
    )
    found: dict[str, dict[str, SliceScore]] = {}
    for column in spec.evaluation.slices:
        if column in late:
            groups = table.groupby(late[column].astype(str).to_numpy())
            found[column] = {str(value): _slice(part) for value, part in groups}
    return found


def _slice(part: pd.DataFrame) -> SliceScore:
    noise = daily_noise((part["mine"] - part["theirs"]).to_numpy(), part["day"].to_numpy())
    return SliceScore(len(part), float(part["mine"].mean()), float(part["theirs"].mean()), noise)


def _json(figures: dict[str, float] | Any) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}
