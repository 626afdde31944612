"""One lease a loop, so that one process at a time acts for it; and proof, with every write, that it is still ours."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from tidemill.adapters.sql.database import Database, insert_once
from tidemill.adapters.sql.schema import leases
from tidemill.loop.errors import LeaseHeld, TidemillError

LEASE = timedelta(seconds=30)


class Leases:
    """The leases that this process holds of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[str, str] = {}

    @contextmanager
    def hold(self, loop: str) -> Iterator[None]:
        """Raises LeaseHeld naming the holder."""
        holder = f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}@{_machine()}:{uuid.uuid4().hex[:8]}"
        self._acquire(loop, holder)
        self._held[loop] = holder
        stop = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(loop, holder, stop), daemon=True)
        renewer.start()
        try:
            yield
        finally:
            stop.set()
            renewer.join()
            self._held.pop(loop, None)
            with self._database.transaction() as connection:
                connection.execute(leases.delete().where(leases.c.loop == loop, leases.c.holder == holder))

    def confirm(self, connection: sa.Connection, loop: str) -> None:
        """Called within every write. Where this process held the loop's lease and lost it, the write is refused: a
        process that slept through its lease must not undo what its successor did. Renews the lease as it goes."""
        holder = self._held.get(loop)
        if holder is None:  # whoever only asks (the server, a verb) needs no lease
            return
        expires = (_now(connection) + LEASE).isoformat()
        mine = leases.update().where(leases.c.loop == loop, leases.c.holder == holder).values(expires=expires)
        if not connection.execute(mine).rowcount:
            raise LeaseHeld(
                f"The lease of loop {loop} was lost: this process gave no sign of life for {LEASE.seconds} s, and "
                "another one acts for the loop now. Nothing of this step was kept."
            )

    def _acquire(self, loop: str, holder: str) -> None:
        with self._database.transaction() as connection:
            now = _now(connection)
            # Written before it is read: the row's lock is taken first, so no two processes see a free lease.
            mine = {"holder": holder, "expires": (now + LEASE).isoformat()}
            free = leases.c.expires < now.isoformat()
            if connection.execute(leases.update().where(leases.c.loop == loop, free).values(**mine)).rowcount:
                return
            if insert_once(connection, leases, {"loop": loop, **mine}):
                return
            other = connection.execute(sa.select(leases.c.holder).where(leases.c.loop == loop)).scalar()
            other = other or "another:process"
            if _dead(other):
                # Killed on this machine: no need to wait until its lease runs out.
                won = leases.update().where(leases.c.loop == loop, leases.c.holder == other).values(**mine)
                if connection.execute(won).rowcount:
                    return
            host, pid = [*other.split(":"), "?"][:2]
            raise LeaseHeld(
                f"Loop {loop} is kept by another process (pid {pid} on {host}). One at a time acts for a loop: stop "
                f"that one, or wait until its lease ends ({LEASE.seconds} s after its last sign of life)."
            )

    def _renew(self, loop: str, holder: str, stop: threading.Event) -> None:
        while not stop.wait(LEASE.total_seconds() / 3):
            try:
                with self._database.transaction() as connection:
                    expires = (_now(connection) + LEASE).isoformat()
                    mine = leases.c.holder == holder
                    connection.execute(leases.update().where(leases.c.loop == loop, mine).values(expires=expires))
            except TidemillError:
                continue  # tried again in ten seconds; the lease outlives two misses


def _now(connection: sa.Connection) -> datetime:
    """One clock for all who compete for a lease: the database's, where it is on a machine of its own."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    moment: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def _started(pid: int) -> str:
    """When a process began, in clock ticks: tells a dead holder from a stranger who got its pid."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "?"


@cache
def _machine() -> str:
    """Where a pid means something: this start of this machine, and within it the namespace of its processes. Two
    containers, or two machines of one name, have the same pids for different processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
    except OSError:
        return "?"


def _dead(holder: str) -> bool:
    host, pid, life, *_ = [*holder.split(":"), "?", "?"]
    started, _, machine = life.partition("@")
    if host != socket.gethostname() or not pid.isdigit() or machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return started != "?" and _started(int(pid)) != started
