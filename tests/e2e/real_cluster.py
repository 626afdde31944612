"""kubectl, for the tests that need a real Kubernetes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


class Cluster:
    """kubectl, as a person uses it."""

    def kubectl(self, *arguments: str | Path, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs to its end, whatever that is."""
        return subprocess.run(
            ["kubectl", *arguments], input=input, capture_output=True, text=True, check=False, timeout=120
        )

    def done(self, *arguments: str | Path, input: str | None = None) -> str:
        """Stdout of a command that must succeed."""
        ran = self.kubectl(*arguments, input=input)
        assert ran.returncode == 0, f"kubectl {' '.join(map(str, arguments))}: {ran.stderr}"
        return ran.stdout

    def read(self, *arguments: str) -> Any:
        return json.loads(self.done("get", *arguments, "-o", "json"))
