"""The Profile: where a loop runs. Local by default; what a cluster sets comes from Helm values."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .model_loop import Metadata, Strict


class GatewayAddress(Strict):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535, description="0: any free port")


class ProfileSpec(Strict):
    home: str = Field(".tidemill", description="state, logs and models; relative to the ModelLoop's file")
    state: str | None = Field(None, description="SQLAlchemy URL; default: SQLite in `home`")
    tracking: str | None = Field(None, description="MLflow tracking URI; default: SQLite in `home`")
    gateway: GatewayAddress = GatewayAddress()


class Profile(Strict):
    api_version: Literal["tidemill.dev/v1alpha1"] = "tidemill.dev/v1alpha1"
    kind: Literal["Profile"] = "Profile"
    metadata: Metadata = Metadata(name="local")
    spec: ProfileSpec = ProfileSpec()
