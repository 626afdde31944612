"""What a pipeline asks for and Argo is not given: refused by name, never left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidemill.loop.errors import TidemillError

Json = Mapping[str, Any]  # an object of the IR


class NotTranslatable(TidemillError):
    """The pipeline uses what only a Kubeflow Pipelines server runs."""


def refuse(task: str, feature: str) -> NotTranslatable:
    return NotTranslatable(
        f"Task {task} uses {feature}, which is not translated for Argo Workflows. "
        "Leave it out, or run the pipeline on a Kubeflow Pipelines server."
    )


def only(task: str, what: str, found: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises where `found` has a key that is not known: a newer kfp may have compiled what we have never seen."""
    strange = sorted(set(found) - set(known))
    if strange:
        raise refuse(task, f"{what} `{strange[0]}`")
