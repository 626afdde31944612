"""A clock that is told the time: for rehearsals on a cluster, where a month of history is lived through in an hour.

The time stands in a small file (an ISO 8601 moment) that all parts of the installation read, so that they agree on it.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime

from tidemill.adapters.system_clock import SystemClock
from tidemill.loop.errors import TemporaryError
from tidemill.loop.ports import Clock
from tidemill.loop.turn.files import read_bytes

VARIABLE = "TIDEMILL_CLOCK"
_SECONDS = 0.5  # between two looks at the file


class StatedClock:
    """`uri` is the file's. While it cannot be read the last time stands; before it was ever read there is none."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._said: datetime | None = None
        self._why = ""

    def now(self) -> datetime:
        """Raises TemporaryError where no time was ever stated."""
        with self._lock:
            if time.monotonic() - self._looked >= _SECONDS:
                self._look()
            if self._said is None:
                said = f"No time is stated in {self._uri} ({VARIABLE}): write an ISO 8601 moment there."
                raise TemporaryError(f"{said} {self._why}".rstrip())
            return self._said

    def _look(self) -> None:
        try:
            said = datetime.fromisoformat(read_bytes(self._uri).decode().strip())
        except (FileNotFoundError, TemporaryError, ValueError) as error:
            self._why = str(error)
            return
        self._said = said if said.tzinfo else said.replace(tzinfo=UTC)
        self._looked = time.monotonic()


def open_clock() -> Clock:
    """The time it is; where TIDEMILL_CLOCK names a file, the time that stands there."""
    uri = os.environ.get(VARIABLE)
    return StatedClock(uri) if uri else SystemClock()
