"""The Profile: where a loop runs. Local by default; what a cluster sets comes from Helm values."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from .model_loop import Metadata
from .quantities import Whole
from .resources import SecretEnv, Text
from .rules import Strict


class GatewayAddress(Strict):
    """Where the data plane listens."""

    host: str = Field("127.0.0.1", min_length=1, description="loopback unless you say otherwise")
    port: Whole = Field(8080, ge=0, le=65535, description="0: any free port")


class Pods(Strict):
    """What Pods are given that Tidemill has made: model servers, and the steps of a turn."""

    image: str = Field(min_length=1, description="for loops that name none themselves (model.image)")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field("IfNotPresent", description="as in Kubernetes")
    pull_secrets: tuple[str, ...] = Field(
        (), description="Secrets for the registry, in the namespace of the Pods; Kubeflow cannot be told of any"
    )
    service_account: str = Field("", description="the namespace's default one where empty")
    env: dict[str, str] = Field({}, description="variables that are no secrets, such as AWS_ENDPOINT_URL")
    secrets: tuple[SecretEnv, ...] = Field((), description="variables that are")
    node_selector: dict[str, str] = Field({}, description="labels that their nodes must have")
    resources: dict[str, Any] = Field({}, description="requests and limits; a ModelLoop's own go before these")


class StepPods(Pods):
    """What the Pods of a turn's steps are given."""

    allowed_secrets: tuple[Text, ...] = Field(
        (), description="Secrets that ModelLoops may name for steps which run in another namespace than theirs"
    )


class Kubeflow(Strict):
    """Turns as runs of a Kubeflow Pipelines server."""

    endpoint: str = Field(min_length=1, description="such as http://ml-pipeline.kubeflow:8888")
    namespace: str = Field("kubeflow", description="where the Pods of runs are, unless `userNamespace` says so")
    user_namespace: str = Field("", description="in a multi-user installation: the user's, where runs and Pods are")
    token_file: str | None = Field(None, description="a file with the bearer token for it, read anew at each call")
    steps: StepPods = Field(description="what the steps' Pods are given")

    @property
    def runs_namespace(self) -> str:
        """Where the Pods of runs are."""
        return self.user_namespace or self.namespace


class Argo(Strict):
    """Turns as Argo Workflows, where no Kubeflow Pipelines server is."""

    namespace: str = Field("", description="where the Workflows are made; the loop's own where empty")
    steps: StepPods = Field(description="what the steps' Pods are given")


class PipelinesPlace(Strict):
    """What runs turns on a cluster, where one must be named. Its controller alone reads this: on one machine turns are
    processes of that."""

    kubeflow: Kubeflow | None = Field(None, description="a Kubeflow Pipelines server")
    argo: Argo | None = Field(None, description="Argo Workflows")

    @model_validator(mode="after")
    def _one(self) -> PipelinesPlace:
        if self.kubeflow is not None and self.argo is not None:
            raise ValueError("turns run in one place: give kubeflow or argo")
        return self


class ServingPlace(Strict):
    """What serves versions on a cluster. Its controller alone reads this: on one machine the data plane's own process
    serves them."""

    deployments: Pods | None = Field(None, description="a Deployment for each version; required there")


class ServerAddress(Strict):
    """A server that stands for the loop: `status`, `history`, `train` and their like ask it, not the files here."""

    url: str = Field(pattern=r"^https?://[^/\s]+", description="where it answers")
    namespace: str = Field("default", min_length=1, max_length=63, description="the namespace that the loop is in")
    token_file: str | None = Field(None, description="file with the bearer token; default: TIDEMILL_TOKEN")


class ProfileSpec(Strict):
    """Where things are. A cluster's controller reads `storage`, `state`, `tracking`, `pipelines`, `serving`
    and `names`. Verbs that act on one machine (`run`, `plan`, `serve`, `replay`, ...) read `home`, `state`,
    `tracking` and `gateway`, and refuse a profile with a field that only a controller reads."""

    home: str = Field(
        ".tidemill", min_length=1, description="one machine: state, logs and models; relative to the ModelLoop's file"
    )
    storage: str | None = Field(
        None, description="a cluster: URL (s3://bucket/folder) for data, turns, models and predictions; required there"
    )
    state: str | None = Field(
        None, description="both: SQLAlchemy URL; default: SQLite in `home`, and on a cluster TIDEMILL_STATE_URL"
    )
    tracking: str | None = Field(
        None, description="both: MLflow tracking URI; required on a cluster; default on one machine: SQLite in `home`"
    )
    gateway: GatewayAddress = Field(GatewayAddress(), description="one machine: where the data plane listens")
    pipelines: PipelinesPlace = Field(PipelinesPlace(), description="a cluster: what runs turns")
    serving: ServingPlace = Field(ServingPlace(), description="a cluster: what serves versions")
    names: Literal["policy", "unknown"] = Field(
        "unknown",
        description="a cluster: policy where its policies `tidemill-asked-by` keep the names true of those who "
        "patch a ModelRollout",
    )
    server: ServerAddress | None = Field(
        None, description="the command line: the server to ask; without it, the files here"
    )

    @field_validator("state")
    @classmethod
    def _is_an_url(cls, state: str | None) -> str | None:
        if state is not None and re.match(r"(sqlite|postgresql)(\+\w+)?://", state) is None:
            raise ValueError(  # what was written is not quoted: there may be a password in it
                "this is not an SQLAlchemy URL of SQLite or PostgreSQL, such as sqlite:///folder/state.db or "
                "postgresql://user@host/database"
            )
        return state


class Profile(Strict):
    """Where a loop runs. Without one, everything is local."""

    api_version: Literal["tidemill.dev/v1alpha1"] = Field(
        "tidemill.dev/v1alpha1", description="the version of this format"
    )
    kind: Literal["Profile"] = Field("Profile", description="what this document is")
    metadata: Metadata = Field(Metadata(name="local"), description="who it is")
    spec: ProfileSpec = Field(ProfileSpec(), description="where things are")
