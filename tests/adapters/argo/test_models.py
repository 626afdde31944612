"""Hera is used for its models alone."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import yaml
before = yaml.safe_dump({"a": "one\\ntwo\\n", "y": 1}), yaml.dump({"a": "one\\ntwo\\n"})
from tidemill.adapters.argo.models import argo_models
argo_models()
assert (yaml.safe_dump({"a": "one\\ntwo\\n", "y": 1}), yaml.dump({"a": "one\\ntwo\\n"})) == before
"""


def test_yaml_is_written_as_before_once_hera_is_imported() -> None:
    """In a process of its own, so that nobody has imported hera before."""
    subprocess.run([sys.executable, "-c", _SCRIPT], check=True)
