"""Ships the prediction logs of a gateway's loops, all in one thread, every few seconds; at the end, everything."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tidemill.adapters.log.shipped import ShippedPredictionLog
from tidemill.loop.errors import TidemillError
from tidemill.loop.turn import files

SECONDS = 2.0
SPOOL_LIMIT = 768 << 20  # bytes that wait for the store, of all loops; a Pod of more than its volume has is evicted
_LONGEST = 30.0  # seconds between attempts while the store is away

_log = logging.getLogger(__name__)


class LogShipper:
    """`spool`: a folder of this process alone; what a killed one left there is shipped first. `storage`: the URL that
    holds `<namespace>/<loop>/predictions`; `ship` moves a folder's files to a URL."""

    def __init__(
        self,
        spool: Path,
        storage: str,
        limit: int = SPOOL_LIMIT,
        seconds: float = SECONDS,
        ship: Callable[[Path, str], None] | None = None,
    ) -> None:
        self._spool, self._storage, self._limit, self._seconds, self._ship = spool, storage, limit, seconds, ship
        self._lock = threading.Lock()
        self._logs: dict[tuple[str, str], ShippedPredictionLog] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._away: str | None = None  # why the store cannot be written, while it cannot
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.waiting = 0  # bytes, as of the last attempt
        for wal in sorted(spool.glob("*/*/wal")):
            key = (wal.parent.parent.name, wal.parent.name)
            self.log(*key)
            self._dirty.add(key)

    def log(self, namespace: str, loop: str) -> ShippedPredictionLog:
        key = (namespace, loop)
        with self._lock:
            if key not in self._logs:
                url = files.join(self._storage, namespace, loop, "predictions")
                spool = self._spool / namespace / loop
                self._logs[key] = ShippedPredictionLog(spool, url, self._full, lambda: self._appended(key), self._ship)
            return self._logs[key]

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log shipper", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 20.0) -> int:
        """Ships what is left, trying for so long; returns the bytes that could not be. They are shipped by the next
        process on this spool, if it outlives this one."""
        end = time.monotonic() + seconds
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)
        # In a thread: a store that does not answer at all must not hold up the end.
        last = threading.Thread(target=self._ship_until, args=(end,), name="log shipper", daemon=True)
        last.start()
        last.join(max(0.0, end - time.monotonic()))
        left = sum(log.waiting() for log in list(self._logs.values()))
        if left:
            _log.error(
                "%d bytes of predictions in %s could not be shipped (%s). Keep the folder for the next gateway, or "
                "they are lost.", left, self._spool, self._away or "the store does not answer",
            )  # fmt: skip
        return left

    def step(self) -> bool:
        """Ships what was appended so far; False where the store is away and something waits."""
        with self._lock:
            keys, self._dirty = self._dirty, set()
        error: TidemillError | None = None
        for key in sorted(keys):
            try:
                self._logs[key].seal()
                if error is None:  # one refusal is enough: the others would wait for the same store
                    self._logs[key].ship()
            except TidemillError as raised:
                error = raised
            except Exception as raised:
                _log.exception("the prediction log of %s/%s was not shipped", *key)
                error = TidemillError(f"{type(raised).__name__}: {raised}")
        self.waiting = 0 if error is None else sum(self._logs[key].waiting() for key in keys)
        if error is not None:
            with self._lock:
                self._dirty |= keys
        self._tell(error)
        return error is None

    def _appended(self, key: tuple[str, str]) -> None:
        if key not in self._dirty:
            with self._lock:
                self._dirty.add(key)

    def _run(self) -> None:
        delay = self._seconds
        while not self._stop.wait(delay):
            shipped = self.step()
            delay = self._seconds if shipped else min(2 * delay, _LONGEST)

    def _ship_until(self, end: float) -> None:
        while not self.step() and time.monotonic() < end:
            time.sleep(0.5)

    def _full(self) -> str | None:
        if self.waiting < self._limit:
            return None
        return (
            f"{self.waiting >> 20} MiB of predictions wait in {self._spool} for a store that is away, which is the "
            f"limit: {self._away}"
        )

    def _tell(self, error: TidemillError | None) -> None:
        if error is not None and self._away is None:
            _log.error("predictions are answered and wait in %s, unshipped: %s", self._spool, error)
        if error is None and self._away is not None:
            _log.warning("predictions are shipped again")
        self._away = None if error is None else str(error)
