"""What the data plane needs of a version, whether it is scored in this process or in another one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from .schema import Cells, Schema


class Overloaded(Exception):
    """More rows wait than the version can be expected to answer in time."""


class NotBegun(TimeoutError):
    """The time was over while the rows still waited behind others: that says nothing of the version."""


class ModelFailed(Exception):
    """Another process says that its model could not answer, and why."""


class Scorer(Protocol):
    def submit(self, cells: Cells, n: int, timeout: float | None = None) -> asyncio.Future[np.ndarray[Any, Any]]:
        """A future of n probabilities: or of ModelFailed, or of TimeoutError after `timeout` seconds (NotBegun where
        the rows still waited). Raises Overloaded."""


class Model(Protocol):
    """A version that can answer. Its `front` answers requests; its `back` scores mirrored ones and delays nobody."""

    @property
    def version(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def schema(self) -> Schema | None: ...

    @property
    def endpoint(self) -> str | None:
        """Where it is asked; None where it is in this process."""

    @property
    def front(self) -> Scorer: ...

    @property
    def back(self) -> Scorer: ...

    def check(self, expected: str) -> None:
        """Raises ArtifactChanged where its files are found to be no longer those of the digest `expected`."""

    def cells(self, columns: Mapping[str, list[Any]]) -> Cells:
        """The model's columns out of a request's. Raises Refused."""
