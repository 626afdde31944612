"""Ticks that go on: one that fails is told and tried again, while the data plane answers from what it has."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .error_text import as_ours, error_text, is_expected

if TYPE_CHECKING:
    from tidemill.loop.failures import Failure
    from tidemill.loop.ports import Clock
    from tidemill.loop.tick import TickReport

    from .telling import Telling

SHORTEST, LONGEST = 1.0, 300.0  # seconds between two tries; a longer pause between ticks stays as it is


class Keeping:
    """The ticks of one loop, `pause` seconds apart."""

    def __init__(self, loop: str, clock: Clock, pause: float, telling: Telling) -> None:
        self._loop, self._clock, self._pause, self._telling = loop, clock, pause, telling
        self._failed = 0
        self._said: set[str] = set()
        self._failing: dict[str, str] = {}

    def attempt(self, tick: Callable[[], Sequence[TickReport]]) -> float:
        """Seconds until the next tick: ever more while they fail. Raises LeaseHeld alone: another process acts for the
        loop by now."""
        from tidemill.loop.errors import LeaseHeld

        try:
            reports = tick()
        except LeaseHeld:
            raise
        except Exception as error:  # whatever it is, requests go on being answered
            return self._after(as_ours(error, "run"))
        if self._failed:
            message = f"The tick of {self._loop} works again, after {self._failed} that failed."
            self._telling.aside(self._loop, self._clock.now(), "tick.recovered", message)
        self._failed, self._said = 0, set()
        self._steps(reports[-1].failures if reports else ())
        return self._pause

    def _steps(self, failures: Sequence[Failure]) -> None:
        """Steps that failed, though the rest of the tick was done: each message once for as long as it stays."""
        now = self._clock.now()
        for failure in failures:
            if self._failing.get(failure.step) != failure.message:
                said = failure.message.rstrip(".")
                message = (
                    f"The step {failure.step} of {self._loop} failed: {said}. It is tried again; all else goes on."
                )
                self._telling.aside(self._loop, now, "step.failed", message, step=failure.step, since=failure.since)
        for step in self._failing.keys() - {failure.step for failure in failures}:
            self._telling.aside(self._loop, now, "step.recovered", f"The step {step} of {self._loop} works again.")
        self._failing = {failure.step: failure.message for failure in failures}

    def _after(self, error: Exception) -> float:
        wait = min(max(self._pause, SHORTEST) * 2.0 ** min(self._failed, 10), max(self._pause, LONGEST))
        self._failed += 1
        text = error_text(error)
        if text not in self._said:  # a fault that stays for a night is a line, not a thousand
            self._said.add(text)
            self._tell(error, text, wait)
        return wait

    def _tell(self, error: Exception, text: str, wait: float) -> None:
        from tidemill.spec.quantities import format_duration

        more: dict[str, Any] = {"error": type(error).__name__, "next_try": timedelta(seconds=wait)}
        own = ""
        if not is_expected(error):
            own = " (a fault of Tidemill's own; its trace follows)"
            more["trace"] = "".join(traceback.format_exception(error))
        message = (
            f"The tick of {self._loop} failed: {text.rstrip('.')}{own}. Requests are answered all the while; it is "
            f"tried again in {format_duration(more['next_try'])}, then ever more rarely; the same is not said twice."
        )
        self._telling.aside(self._loop, self._clock.now(), "tick.failed", message, **more)
