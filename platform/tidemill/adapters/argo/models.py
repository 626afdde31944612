"""Hera's models of Argo's API, without what hera does to everybody's YAML."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import yaml

from tidemill.loop.errors import TidemillError

_importing = threading.Lock()  # who reads the representers while another imports would put hera's back


def argo_models() -> ModuleType:
    """`hera.workflows.models`. Raises TidemillError where hera is not installed.

    Hera gives PyYAML another representer for `str`, for the whole process. Kubeflow's compiler, and whatever takes a
    digest of YAML, would from then on write other bytes for the same content: the old representers are put back.
    """
    dumpers: tuple[Any, ...] = (yaml.representer.SafeRepresenter, yaml.Dumper)
    with _importing:
        before = [dumper.yaml_representers[str] for dumper in dumpers]
        try:
            from hera.workflows import models
        except ImportError as error:
            raise TidemillError(
                "Turns on Argo Workflows need hera, which is not installed: pip install 'tidemill[cluster]'."
            ) from error
        finally:
            for dumper, representer in zip(dumpers, before, strict=True):
                dumper.add_representer(str, representer)
    return models
