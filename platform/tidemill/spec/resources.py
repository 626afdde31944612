"""What the steps of a turn need of a cluster: they run in Pods there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .forms import Quantity
from .quantities import Whole
from .rules import Strict

Text = Annotated[str, Field(min_length=1, max_length=253)]


class SecretEnv(Strict):
    """Keys of a Secret, given to a container as environment variables of the same names."""

    name: Text = Field(description="the Secret, in the namespace of the Pods")
    keys: tuple[Text, ...] = Field(
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), max_length=32, description="which of its keys"
    )


class Gpu(Strict):
    """Accelerators."""

    count: Whole = Field(1, ge=1, description="how many")
    resource: Text = Field("nvidia.com/gpu", description="what the cluster calls them")


class StepNeeds(Strict):
    """What one step needs. Nothing of it means anything on a laptop."""

    cpu: Quantity | None = Field(None, description="cores that its node must have free, such as 2 or 500m")
    memory: Quantity | None = Field(None, description="memory that it gets and may not exceed, such as 4Gi")
    gpu: Gpu | None = Field(None, description="accelerators")
    node_selector: dict[str, str] = Field({}, description="labels that its node must have")
    secrets: tuple[SecretEnv, ...] = Field(
        (),
        max_length=16,
        description="variables that are secrets; for steps in another namespace than the loop's, of those Secrets "
        "alone that the installation allows",
    )


class Resources(Strict):
    """By step; what stands under `every` holds for all that say nothing else."""

    every: StepNeeds | None = Field(None, description="each step")
    ingest: StepNeeds | None = Field(None, description="joins partitions with labels")
    validation: StepNeeds | None = Field(None, alias="validate", description="checks the snapshot")
    features: StepNeeds | None = Field(None, description="runs your features")
    train: StepNeeds | None = Field(None, description="runs your trainer")
    evaluate: StepNeeds | None = Field(None, description="compares challenger, champion and baseline")
    refit: StepNeeds | None = Field(None, description="runs your trainer on all rows")
    register_: StepNeeds | None = Field(None, alias="register", description="puts the version into MLflow")

    def by_step(self) -> dict[str, StepNeeds]:
        """What was said, by the step's name; `every` is among them."""
        named = ((field.alias or name, getattr(self, name)) for name, field in type(self).model_fields.items())
        return {name: needs for name, needs in named if needs is not None}
