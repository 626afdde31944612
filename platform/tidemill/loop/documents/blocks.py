"""Closed evidence: days of every version, and blocks of a rollout's outcomes and of its operation. The first two never
change; blocks of operation are counted again while predictions of their time may come into the log late."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from .base import Document, Moment, Stored, Upgrade


class Served(BaseModel):
    """What was answered and has a label: number of rows, mean log loss."""

    model_config = ConfigDict(frozen=True)
    n: int
    loss: float | None = None


class VersionDay(BaseModel):
    """One version on the labelled rows of a day, means over `n` rows. `raw_loss` is of the uncorrected model,
    `candidate_loss` of the correction that was fitted on earlier days, `promised` what the model itself expects."""

    model_config = ConfigDict(frozen=True)
    n: int
    loss: float | None = None
    brier: float | None = None
    raw_loss: float | None = None
    promised: float | None = None
    candidate_loss: float | None = None


def _without_rollout(stored: Stored) -> Stored:
    return {key: value for key, value in stored.items() if key not in ("pairs", "arms")}


class DayDocument(Document):
    """A day whose labels are in. `due` rows were answered, `labelled` of them have a label."""

    kind = "block"
    upgrades: ClassVar[tuple[Upgrade, ...]] = (_without_rollout,)

    id: str
    closed_at: Moment
    due: int | None = None
    labelled: int | None = None
    served: Served
    versions: dict[str, VersionDay]


class PairDocument(Document):
    """A block of a rollout's outcomes: both versions on the same `n` rows, by time of the event in [start, end).

    `differences`: mean loss(challenger) - mean loss(champion) by loss; with AT_LEVEL behind its name, the challenger at
    the champion's level. `parts`: the same for consecutive runs of rows, where single rows are independent.
    `answered`: labelled rows that the challenger answered in the canary step `step`.
    Where the rollout names a column, `units` are the values of it that are counted here, and `parts` are means of a few
    of them; `variance` and `worst` (the largest difference, by loss) are theirs. `unplaced` rows have no value, and the
    values of `returned` rows came on an earlier day: they are in the differences and in no part.
    `repeated` rows have a key that came on an earlier day of the rollout. They are in no other figure but `due` and
    `answered`: their label counts on that day.
    """

    kind = "pairs"

    id: str
    start: Moment
    end: Moment
    closed_at: Moment
    due: int
    n: int
    step: int
    answered: int
    differences: dict[str, float]
    variance: float | None = None
    parts: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    units: int | None = None
    unplaced: int = 0
    returned: int = 0
    repeated: int = 0
    worst: dict[str, float] = Field(default_factory=dict)


class OperationThrough(Document):
    """Up to when the operational blocks of a rollout are closed. `late` predictions came after their block was."""

    kind = "operation through"

    through: Moment
    late: int = 0


class OperationalHour(Document):
    """The operational blocks of one hour that are closed so far, as `decisions.operation.OperationalBlock` reads
    them."""

    kind = "operation"

    id: str
    blocks: tuple[dict[str, Any], ...]
