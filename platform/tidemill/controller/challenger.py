"""What a challenger does, as the judge's figures have it: the condition `Ready` of a ModelRollout.

That it is loaded says nothing of its answers. The figures are those of the rollout's evidence in the state store, so
the condition is as old as the last block that the judge closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from tidemill.decisions.verdict import Reason

from .conditions import Fact
from .reasons import ConditionReason

# Above the champion's rate of errors. A challenger that fails more than every second request does not answer; one that
# fails less often answers, and the judge has its verdict on that.
FAILS = 0.5


def ready_of(rollout: Mapping[str, Any]) -> Fact:
    if rollout["status"] not in ("running", "paused"):
        return Fact("Ready", "False", cast(Reason, rollout["reason"]), "The rollout is over.")
    if rollout["reason"] == Reason.NOT_READY or not rollout["steps"]:
        return Fact("Ready", "False", Reason.NOT_READY, rollout.get("message") or "It is being made ready.")
    version, figures = rollout["challenger"], _figures(rollout)
    if not figures:
        message = f"Version {version} is loaded and can be asked. The judge has no figures of its answers yet."
        return Fact("Ready", "True", ConditionReason.ANSWERS, message)
    said = "; ".join(map(_sentence, figures))
    if any(one["metric"] == "error_rate" and one["difference"] >= FAILS for one in figures):
        return Fact("Ready", "False", ConditionReason.FAILS, f"Version {version} is loaded and fails: {said}.")
    return Fact("Ready", "True", ConditionReason.ANSWERS, f"Version {version} answers: {said}.")


def _figures(rollout: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Of the metrics that were measured."""
    metrics = (rollout.get("evidence") or {}).get("metrics") or ()
    return [one for one in metrics if one.get("n") and one.get("difference") is not None]


def _sentence(figure: Mapping[str, Any]) -> str:
    difference = float(figure["difference"])
    than = "as the champion's" if difference == 0 else f"{abs(difference):.4g} {_side(difference)} the champion's"
    margin = "" if figure.get("margin") is None else f", margin {figure['margin']:g}"
    return f"{figure['metric']} {than} ({figure['n']} requests{margin})"


def _side(difference: float) -> str:
    return "above" if difference > 0 else "below"
