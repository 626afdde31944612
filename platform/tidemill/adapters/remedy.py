"""What to do about a file that cannot be read or written: no right, no room, another process, or damage.

Told apart, since whoever is sent to look for room where a right is missing looks for long.
"""

from __future__ import annotations

import errno
import os
import sqlite3

_RIGHTS = (errno.EACCES, errno.EPERM, errno.EROFS)
_ROOM = (errno.ENOSPC, errno.EDQUOT)
# SQLite's own words for the same. That it cannot open a file is nearly always a right: it makes what is not there.
_SQLITE_RIGHTS = (sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH)
_SQLITE_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def remedy(error: BaseException | None, otherwise: str = "See that the disk is there and works.") -> str:
    """What to do about an OSError or an error of SQLite's; `otherwise` where it is none of these."""
    if is_damaged(error):
        return "The file is damaged: restore a copy of it, or move it away and begin anew without what it held."
    number, code = error.errno if isinstance(error, OSError) else None, _code(error)
    if number in _RIGHTS or code in _SQLITE_RIGHTS:
        return (
            f"See that this user (uid {os.getuid()}) may read and write there, and that the file system is not mounted "
            "read-only."
        )
    if number in _ROOM or code == sqlite3.SQLITE_FULL:
        return "Make room on that disk."
    if code in _SQLITE_HELD:
        return "Another process holds the file: wait until it is done, or end it."
    return otherwise


def is_damaged(error: BaseException | None) -> bool:
    """No file of SQLite's, or no longer a whole one: trying again will not help."""
    return _code(error) in _SQLITE_DAMAGED


def _code(error: BaseException | None) -> int | None:
    """SQLite's primary code; the rest of the number says more than is needed."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
