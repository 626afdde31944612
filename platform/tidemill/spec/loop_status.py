"""The status of a ModelLoop: where it stands, in a few lines. Its history is in the state store."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from .conditions import Conditions
from .rules import Strict

Count = Annotated[int, Field(strict=True, ge=0)]


class ServingChampion(Strict):
    """Who answers."""

    version: str = Field(description="its version in the registry")
    since: AwareDatetime = Field(description="when it became champion")


class RunningRollout(Strict):
    """The challenger that is being tried; absent while there is none."""

    name: str = Field(description="the ModelRollout")
    challenger: str = Field(description="its version in the registry")
    step: str = Field(description="such as canary 10%")


class LastTurn(Strict):
    """The latest run of the training pipeline."""

    id: str = Field(description="what `tidemill history` calls it")
    status: str = Field(description="running, or how it ended")
    reason: str = Field("", description="why")


class PartitionCounts(Strict):
    """How many partitions the data gate has seen."""

    admitted: Count = Field(0, description="let in")
    quarantined: Count = Field(0, description="held back; `tidemill admit` lets one in")


class ModelLoopStatus(Strict):
    """Where the loop stands; written by the controller."""

    observed_generation: Count = Field(0, description="the metadata.generation that the last tick acted on")
    conditions: Conditions = Field((), description="what is so: Ready says whether the loop keeps the model right")
    champion: ServingChampion | None = Field(None, description="who answers")
    rollout: RunningRollout | None = Field(None, description="the challenger that is being tried")
    turn: LastTurn | None = Field(None, description="the latest run of the training pipeline")
    partitions: PartitionCounts | None = Field(None, description="what the data gate has seen")
    last_tick: AwareDatetime | None = Field(None, description="when the controller last looked")
