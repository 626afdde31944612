"""Who is told what happened: a callable (the CLI's progress lines), or nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime


class CallNotifier:
    def __init__(self, call: Callable[[str, datetime, str, str], None]) -> None:
        self._call = call

    def notify(self, loop: str, at: datetime, reason: str, message: str) -> None:
        self._call(loop, at, reason, message)


class NoNotifier:
    def notify(self, loop: str, at: datetime, reason: str, message: str) -> None:
        return None
