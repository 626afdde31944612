"""Remembers what a validator said of a frame and a suite: the same content is judged once, however many loops ask."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.loop.ports import Validator
from tidemill.loop.turn.files import read_bytes

if TYPE_CHECKING:
    import pandas as pd


class KeptValidation:
    """`folder` is shared by all who may ask the same; an answer is written whole or not at all."""

    def __init__(self, validator: Validator, folder: Path) -> None:
        self._validator, self._folder = validator, folder

    def failures(self, frame: pd.DataFrame, suite: str, per_partition: bool = True) -> list[str]:
        path = self._folder / f"{_digest(frame, suite, per_partition)}.json"
        if path.exists():
            kept: list[str] = json.loads(path.read_text())
            return kept
        found = self._validator.failures(frame, suite, per_partition)
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.part")
        aside.write_text(json.dumps(found))
        aside.replace(path)
        return found


def _digest(frame: pd.DataFrame, suite: str, per_partition: bool) -> str:
    import pandas as pd

    content = hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    content.update(repr((list(frame.columns), [str(t) for t in frame.dtypes], per_partition)).encode())
    content.update(read_bytes(suite))
    return content.hexdigest()
