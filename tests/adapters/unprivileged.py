"""Commands of somebody to whom something can be refused. Tests often run as root, whom nothing is."""

from __future__ import annotations

import os
import shutil

import pytest


def unprivileged(*command: str) -> list[str]:
    """The command without root's right to write where nobody may; skips where that cannot be taken away."""
    if os.getuid() != 0:
        return [*command]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search", *command]
