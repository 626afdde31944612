"""The policies that a loop is compared with: the same ModelLoop, with parts of it taken away.

They run the same `tick` with the same trainer on the same delivered data, but in process: no pipeline, no HTTP. What is
compared is decisions, and those do not depend on how a step is run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tidemill.spec.model_loop import Limits, ModelLoop, ModelLoopSpec, Recalibrate, Triggers

MONDAYS = "0 4 * * 1"
UNLIMITED = Limits(cooldown=timedelta(0), max_per_month=31, min_new_outcomes=0)

TITLES = {
    "tidemill": "this loop",
    "never": "never retrain",
    "weekly": "weekly, live at once, unjudged",
    "weekly_rollout": "weekly, through the same rollouts",
}
SAW = {
    "tidemill": "admitted days train; days whose data is at fault are no evidence either",
    "never": "January and February, once",
    "weekly": "every delivered day, faults included",
    "weekly_rollout": "admitted days only (the same gate)",
}


def never(spec: ModelLoopSpec) -> ModelLoopSpec:
    return _bare(spec, Triggers())


def weekly(spec: ModelLoopSpec) -> ModelLoopSpec:
    """A cron job: trains on whatever was delivered, and what it trained goes live at once."""
    return _bare(spec, Triggers(schedule=MONDAYS, limits=UNLIMITED))


def weekly_rollout(spec: ModelLoopSpec) -> ModelLoopSpec:
    """The cron job with this loop's gate, acceptance and rollouts, and without its triggers and its repair."""
    triggers = Triggers(schedule=MONDAYS, limits=UNLIMITED)
    return spec.model_copy(update={"triggers": triggers, "model": _uncorrected(spec)})


POLICIES: dict[str, Callable[[ModelLoopSpec], ModelLoopSpec]] = {
    "never": never,
    "weekly": weekly,
    "weekly_rollout": weekly_rollout,
}

# Shares of the cores in proportion to what each needs (measured: 19, 13 and 3), so that they end together.
NICE = {"never": 18, "weekly": 12, "weekly_rollout": 10}  # a step of one is a quarter more or less


def under(loop: ModelLoop, policy: str) -> ModelLoop:
    """The loop as it would be under a policy of that name."""
    return loop.model_copy(update={"spec": POLICIES[policy](loop.spec)})


def _bare(spec: ModelLoopSpec, triggers: Triggers) -> ModelLoopSpec:
    accept = spec.evaluation.accept.model_copy(update={"always": True})
    return spec.model_copy(
        update={
            "triggers": triggers,
            "model": _uncorrected(spec),
            "data": spec.data.model_copy(update={"gate": "off", "expectations": None}),
            "evaluation": spec.evaluation.model_copy(update={"accept": accept}),
            "rollout": spec.rollout.model_copy(update={"steps": ()}),
        }
    )


def _uncorrected(spec: ModelLoopSpec) -> object:
    return spec.model.model_copy(update={"recalibrate": Recalibrate(when="never")})
