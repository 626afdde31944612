"""Which of several controllers acts: the one that holds a lease of the state store. The others watch, and stand by.

Safe without it: each tick holds its loop's lease, and the store refuses the writes of whoever lost that. This one
lease keeps two replicas from each doing all the work all the time. It costs one row; a successor waits for it at most
as long as for a loop's lease (30 s after the last sign of life; at once where the holder ended properly).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidemill.loop.errors import LeaseHeld, TemporaryError

if TYPE_CHECKING:
    from tidemill.adapters.sql.database import Database

_TRY, _CONFIRM = 2.0, 5.0  # seconds

_log = logging.getLogger(__name__)


class Leadership:
    """Of the controllers that keep the same `namespaces` (none: all) from the same database."""

    def __init__(self, database: Database, namespaces: Sequence[str]) -> None:
        from tidemill.adapters.sql.lease import Leases

        self._database, self._leases = database, Leases(database)
        # No loop's key: those are <namespace>/<name>.
        self._name = "controller:" + (",".join(sorted(namespaces)) or "*")
        self._mine, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._strive, name="leader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Lets the next one act at once."""
        self._stop.set()
        self._thread.join(10.0)

    def is_mine(self) -> bool:
        return self._mine.is_set()

    def _strive(self) -> None:
        standing_by = False
        while not self._stop.is_set():
            try:
                with self._leases.hold(self._name):
                    _log.info("this controller acts")
                    self._mine.set()
                    self._lead()
            except LeaseHeld as error:
                if not standing_by or self._mine.is_set():
                    _log.info("this controller stands by: %s", error)
                standing_by = True
            except TemporaryError as error:
                _log.warning("%s", error)
            except Exception:
                _log.exception("the lease of the controllers could not be asked for; it is tried again")
            finally:
                self._mine.clear()
            self._stop.wait(_TRY)

    def _lead(self) -> None:
        """Until the lease is lost (raises LeaseHeld) or no longer wanted."""
        while not self._stop.wait(_CONFIRM):
            try:
                with self._database.transaction() as connection:
                    self._leases.confirm(connection, self._name)
            except TemporaryError as error:
                _log.warning("%s", error)  # nobody can take it from a database that does not answer
