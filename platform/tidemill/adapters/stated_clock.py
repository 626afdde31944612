"""A clock that is told the time: for rehearsals on a cluster, where a month of history is lived through in an hour.

The time stands in a small file (an ISO 8601 moment) that all parts of the installation read, so that they agree on it.
The file is read in the background: who asks for the time never waits for the store that holds it.
"""

from __future__ import annotations

import logging
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
_FIRST_SECONDS = 5.0  # that a process waits for its first look before it begins

_log = logging.getLogger(__name__)


class StatedClock:
    """`uri` is the file's. While it cannot be read the last time stands; before it was ever read there is none."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._said: datetime | None = None
        self._why = ""
        self._looked = threading.Event()

    def now(self) -> datetime:
        """What the last look found, at once. Raises TemporaryError where no time was ever stated."""
        if self._said is None:
            said = f"{self._uri} ({VARIABLE}) states no time: write an ISO 8601 moment there."
            raise TemporaryError(f"{said} {self._why}".rstrip())
        return self._said

    def look(self) -> None:
        """Reads the file; this may take as long as its store takes."""
        try:
            said = datetime.fromisoformat(read_bytes(self._uri).decode().strip())
        except Exception as error:  # whatever a store's client raises: the next look may find it well
            if not self._why and self._said is not None:
                _log.error("the time in %s cannot be read and stays at %s: %s", self._uri, self._said, error)
            self._why = str(error) or type(error).__name__
            return
        self._said = said if said.tzinfo else said.replace(tzinfo=UTC)
        self._why = ""

    def follow(self) -> None:
        """Looks again and again, in a thread. Returns after the first look; where the store does not answer, without
        it."""
        threading.Thread(target=self._follow, name="stated clock", daemon=True).start()
        self._looked.wait(_FIRST_SECONDS)

    def _follow(self) -> None:
        while True:
            self.look()
            self._looked.set()
            time.sleep(_SECONDS)


def open_clock() -> Clock:
    """The time it is; where TIDEMILL_CLOCK names a file, the time that stands there."""
    uri = os.environ.get(VARIABLE)
    if not uri:
        return SystemClock()
    clock = StatedClock(uri)
    clock.follow()
    return clock
