"""Ticks that begin light in this process, and are taken in a helper process where they need more than that.

The helper has stores, leases and connections of its own. It ends when no tick has needed it for a while, and what it
had imported with it; killed in the middle of a tick it leaves what a killed controller leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidemill.adapters.helper import Helper, say

from .light import Heavy, light
from .ticker import Tell, Ticked, Ticker
from .wanted import Owner, Wanted

if TYPE_CHECKING:
    from .place import Place


@dataclass(frozen=True)
class OpenTicker:
    """Makes the helper's Ticker there. `place` is called there, too, and so must be found by name."""

    place: Callable[[], Place]

    def __call__(self) -> Ticker:
        from tidemill.adapters.stated_clock import open_clock

        return Ticker(self.place(), open_clock(), _said)


def _said(owner: Owner, event: str, message: str) -> None:
    say((owner, event, message))


class LightFirst:
    """`tell` is told of what happens there, as it happens."""

    def __init__(self, here: Ticker, helper: Helper, tell: Tell) -> None:
        self._here, self._helper, self._tell = here, helper, tell

    def tick(self, wanted: Wanted, now: datetime) -> Ticked:
        ticked: Ticked = self._do("tick", wanted, now)
        return ticked

    def look_after(self, wanted: Wanted, now: datetime) -> None:
        self._here.look_after(wanted, now)

    def release(self, wanted: Wanted, now: datetime) -> None:
        self._do("release", wanted, now)

    def forget(self, uid: str) -> None:
        self._here.forget(uid)

    def _do(self, what: str, wanted: Wanted, now: datetime) -> Any:
        try:
            with light():
                return getattr(self._here, what)(wanted, now)
        except Heavy:
            pass  # its lease is given back by now
        self._here.forget(wanted.owner.uid)  # what it remembers may not be so afterwards
        return self._helper.call(what, wanted, now, heard=lambda said: self._tell(*said))
