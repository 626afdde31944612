"""A registered version, as the registry told of it once."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field

from tidemill.loop.model import ModelVersion

from .base import Document


class RegisteredVersion(Document):
    kind = "version"

    version: str
    uri: str
    digest: str
    turn: str
    run_id: str = ""
    tags: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, found: ModelVersion) -> RegisteredVersion:
        return cls(**{**asdict(found), "tags": dict(found.tags)})

    @property
    def model_version(self) -> ModelVersion:
        return ModelVersion(self.version, self.uri, self.digest, self.turn, self.run_id, self.tags)
