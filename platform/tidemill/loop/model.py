"""The nouns of the loop: plain values that cross ports. Times are timezone-aware UTC everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.decisions.verdict import Reason


@dataclass(frozen=True)
class Partition:
    """A slice of data by event time, as delivered. `digest` is of the delivered bytes."""

    id: str
    start: datetime
    end: datetime
    digest: str
    uri: str


class Role(StrEnum):
    CHAMPION = "champion"
    CANARY = "canary"
    SHADOW = "shadow"


@dataclass(frozen=True)
class Calibrator:
    """sigmoid(intercept + slope * logit(raw)). The identity is (0, 1). `id` is a digest of what it was fitted on."""

    id: str
    version: str
    intercept: float
    slope: float
    fitted_at: datetime


@dataclass(frozen=True)
class Arm:
    """A version that gets traffic. `weight` is the share of keys it answers (0 for a shadow), `mirror` the share of
    the other keys it also scores in shadow; a canary mirrors too, so that evidence stays paired. `stands_in_for` is the
    version that should answer, where that one cannot serve and this one does so in its place and role."""

    version: str
    role: Role
    weight: float
    mirror: float = 0.0
    calibrator: Calibrator | None = None
    stands_in_for: str | None = None


@dataclass(frozen=True)
class Route:
    """All that the data plane must know for one loop. Weights of the arms sum to 1.

    `fallback` names versions to try in order when an arm fails; the baseline is a version like any other. `unit` names
    the column of the requests whose value is logged with each row: what the rollout counts as one piece of evidence.
    """

    loop: str
    arms: tuple[Arm, ...]
    fallback: tuple[str, ...] = ()
    unit: str | None = None


class Phase(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the backend has no such run: submit it (again)


ENDED = (Phase.SUCCEEDED, Phase.FAILED)


@dataclass(frozen=True)
class TurnStatus:
    """Where a turn's run stands. When succeeded, `reason` is Accepted or why data or challenger was rejected, and
    `result` is what the steps recorded, by step name. When failed, `message` carries the step and its last lines. Once
    ended, `images` has the digests (sha256:...) that steps ran with by the image's reference, as far as Pods tell."""

    phase: Phase
    reason: Reason | None = None
    message: str = ""
    step: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ChampionRef:
    """A registered version as a turn needs it: what to warm start from and to be compared with."""

    version: str
    uri: str
    digest: str
    calibrator: Calibrator | None = None
    trained_until: datetime | None = None


@dataclass(frozen=True)
class TurnRequest:
    """Everything a turn's pipeline needs; stored as JSON in `work_uri`/request.json before the run is submitted.

    `labels_uri` is a Parquet file (key, label) of the outcomes known at `as_of`; `snapshot` is the digest over
    partitions and labels; `project` is the folder that the trainer is imported from, where the steps run; `root` is
    the URI that the spec's relative paths are relative to (the same folder on a laptop); `image` holds the code;
    `prefix` goes before the loop's name where namespaces share a registry.
    """

    id: str
    loop: str
    spec: Mapping[str, Any]
    project: str
    as_of: datetime
    signals: tuple[str, ...]
    partitions: tuple[Partition, ...]
    labels_uri: str
    snapshot: str
    champion: ChampionRef | None
    tracking_uri: str
    work_uri: str
    root: str = ""
    image: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version. `digest` is over the artifact folder's files; loading anything else is refused."""

    version: str
    uri: str
    digest: str
    turn: str
    run_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """What became of the labels that came in."""

    new: int
    duplicate: int
    conflicting: int  # the key had another label already: the first one stays, the second is kept in the record


@dataclass(frozen=True)
class Readiness:
    ready: bool
    message: str = ""
    reason: Reason | None = None  # ARTIFACT_CHANGED where the digest does not match
