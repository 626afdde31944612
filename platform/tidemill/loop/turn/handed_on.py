"""Files that one step of a turn hands to the next: what was written is what is read, or nothing is.

The digest is in the record of the step that wrote, not beside the file.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.loop.errors import ArtifactChanged
from tidemill.loop.model import TurnRequest

from .files import join, read_bytes

if TYPE_CHECKING:
    import pandas as pd


def write(path: Path, content: bytes) -> dict[str, str]:
    """The file's digest by its name, for the step's record: that of what was to be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {path.name: _digest(content)}


def write_frame(path: Path, frame: pd.DataFrame) -> dict[str, str]:
    return write(path, frame.to_parquet(index=False))


def read_written(request: TurnRequest, step: str, path: Path) -> bytes:
    """What `step` wrote there. Raises ArtifactChanged where it is anything else, before anyone has parsed it."""
    recorded = json.loads(read_bytes(join(request.work_uri, "steps", f"{step}.json"))).get("files", {})
    content = path.read_bytes()
    if recorded.get(path.name) != _digest(content):
        raise ArtifactChanged(
            f"{path} is not what step {step} wrote: its digest is {_digest(content)}, recorded was "
            f"{recorded.get(path.name, 'none')}. It was not read. Find out what changes files of a turn; the next turn "
            "writes its own."
        )
    return content


def read_frame(request: TurnRequest, step: str, path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(io.BytesIO(read_written(request, step, path)))


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
