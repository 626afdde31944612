"""What the metadata store of Kubeflow Pipelines holds of a run, asked by its own client: what the dashboard shows.

The client and kfp want different versions of protobuf, so it gets an environment of its own, kept from run to run.
"""

from __future__ import annotations

import json
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from installation import KUBEFLOW, reached

CLIENT = "ml-metadata==1.17.1"
READ = Path(__file__).with_name("read_metadata_store.py")


@dataclass(frozen=True)
class MetadataStore:
    python: Path

    def run(self, id: str) -> dict[str, list[dict[str, Any]]]:
        """`artifacts` with name, type and metadata; `executions` with task and state."""
        with reached(KUBEFLOW, "metadata-grpc-service", 8080) as url:
            host, port = url.removeprefix("http://").split(":")
            done = subprocess.run(
                [self.python, READ, host, port, id], capture_output=True, text=True, check=False, timeout=60
            )
        assert done.returncode == 0, done.stderr
        found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
        return found


def client(folder: Path) -> MetadataStore:
    """Skips where the client cannot be had: that is no fault of what is tested."""
    python = folder / "bin" / "python"
    asked = [python, "-c", "import ml_metadata"]
    if not python.exists() or subprocess.run(asked, capture_output=True, check=False).returncode != 0:
        venv.create(folder, with_pip=True, clear=True)
        installing = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", CLIENT]
        done = subprocess.run(installing, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            pytest.skip(f"{CLIENT} cannot be installed: {' '.join(done.stderr.split()[-40:])}")
    return MetadataStore(python)
