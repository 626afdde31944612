"""The Profile: where a loop runs. Local by default; what a cluster sets comes from Helm values."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .model_loop import Metadata, Strict
from .quantities import Whole


class GatewayAddress(Strict):
    """Where the data plane listens."""

    host: str = Field("127.0.0.1", min_length=1, description="loopback unless you say otherwise")
    port: Whole = Field(8080, ge=0, le=65535, description="0: any free port")


class ServerAddress(Strict):
    """A server that stands for the loop: `status`, `history`, `train` and their like ask it, not the files here."""

    url: str = Field(pattern=r"^https?://[^/\s]+", description="where it answers")
    namespace: str = Field("default", min_length=1, max_length=63, description="the namespace that the loop is in")
    token_file: str | None = Field(None, description="file with the bearer token; default: TIDEMILL_TOKEN")


class ProfileSpec(Strict):
    """Where things are."""

    home: str = Field(".tidemill", min_length=1, description="state, logs and models; relative to the ModelLoop's file")
    state: str | None = Field(None, description="SQLAlchemy URL; default: SQLite in `home`")
    tracking: str | None = Field(None, description="MLflow tracking URI; default: SQLite in `home`")
    gateway: GatewayAddress = Field(GatewayAddress(), description="where the data plane listens")
    server: ServerAddress | None = Field(None, description="the server to ask; without it, the files here")


class Profile(Strict):
    """Where a loop runs. Without one, everything is local."""

    api_version: Literal["tidemill.dev/v1alpha1"] = Field(
        "tidemill.dev/v1alpha1", description="the version of this format"
    )
    kind: Literal["Profile"] = Field("Profile", description="what this document is")
    metadata: Metadata = Field(Metadata(name="local"), description="who it is")
    spec: ProfileSpec = Field(ProfileSpec(), description="where things are")
