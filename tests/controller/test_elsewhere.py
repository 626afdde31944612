"""A tick that needs what the controller does not import is taken in a helper process, and nothing else is different."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controller_world import NOW
from elsewhere_world import BREAK, KILL, LIBRARY, REFUSE, ReadingPlace, opened
from kept_loop import World
from tidemill.adapters.helper import Helper
from tidemill.adapters.stated_clock import VARIABLE
from tidemill.controller import light
from tidemill.controller.elsewhere import LightFirst, OpenTicker
from tidemill.controller.keeper import BACK_OFF, Keeper
from tidemill.controller.operator import Operator
from tidemill.controller.queue import Queue
from tidemill.controller.ticker import Ticker
from tidemill.loop.replay import SetClock

COMPARED = ("partition", "signal", "rollout", "champion", "reign", "request")


class Apart(World):
    """The loop of the other tests, kept by a process that may not read data."""

    def start(self) -> None:
        self.queue = Queue()
        self.place = ReadingPlace(self.folder, self.api, self.database)
        self.helper = Helper(OpenTicker(functools.partial(opened, self.folder)), "tick")
        ticks = LightFirst(Ticker(self.place, SetClock(NOW), self.tell), self.helper, self.tell)
        self.keeper = Keeper(ticks, 60.0, self.tell)
        self.operator = Operator(self.keeper, self.api, self.queue, 60.0, self.tell)  # type: ignore[arg-type]

    @property
    def helpers(self) -> list[int]:
        """The processes that ever ticked."""
        marks = self.folder / "helpers"
        return [int(line) for line in marks.read_text().split()] if marks.exists() else []

    def order(self, what: str, text: str = "") -> None:
        (self.folder / what).write_text(text)


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apart]:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / f"{LIBRARY}.py").write_text("")
    monkeypatch.syspath_prepend(libraries)
    monkeypatch.setattr(light, "HEAVY", frozenset({LIBRARY}))
    (tmp_path / "clock").write_text(NOW.isoformat())
    monkeypatch.setenv(VARIABLE, (tmp_path / "clock").as_uri())
    (tmp_path / "life").mkdir()
    made = Apart(tmp_path / "life")
    yield made
    made.helper.stop()
    sys.modules.pop(LIBRARY, None)


def lived(world: World) -> dict[str, Any]:
    """A champion, and what became of it; but for how often a run was submitted and where it lies."""
    for _ in range(6):
        world.look()
    lines = world.state.ledger("team/small")
    return {
        **{kind: [_bare(d, world) for d in world.documents(kind)] for kind in COMPARED},
        "ledger": [(line["event"], line["reason"], line["message"]) for line in lines],
        "status": {key: world.api.loop()["status"].get(key) for key in ("champion", "partitions")},
    }


def _bare(document: dict[str, Any], world: World) -> dict[str, Any]:
    return {key: str(value).replace(str(world.folder), "") for key, value in document.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    world = World(tmp_path_factory.mktemp("undisturbed"))
    world.make()
    return lived(world)


def test_what_needs_a_library_is_done_there_and_the_rest_here(apart: Apart, undisturbed: dict[str, Any]) -> None:
    apart.make()
    assert lived(apart) == undisturbed
    assert len(apart.helpers) == 1 and apart.helpers[0] != os.getpid()
    events = [event for event, _ in apart.told]
    assert "turn.started" in events, "told by the helper"
    assert "challenger.registered" in events, "told by this process"
    assert [event for event in events if event.startswith("tick")] == []


def test_a_loop_at_rest_needs_no_helper(apart: Apart) -> None:
    apart.with_champion()
    os.kill(apart.helper.pid or 0, signal.SIGKILL)
    before = len(apart.helpers)
    assert [apart.look() for _ in range(3)] == [pytest.approx(60.0, rel=0.11)] * 3
    assert len(apart.helpers) == before


@pytest.mark.parametrize("order", ["1 before", "6 after", "13 after", "14 before", "14 after", "15 after"])
def test_a_helper_that_is_killed_in_a_tick_leaves_nothing_undone_and_nothing_doubled(
    apart: Apart, undisturbed: dict[str, Any], order: str
) -> None:
    apart.make()
    apart.order(KILL, order)
    assert apart.look() == pytest.approx(BACK_OFF[0], rel=0.11)
    condition = apart.api.condition("Reconciled")
    assert condition["reason"] == "Unavailable" and "was ended by SIGKILL" in condition["message"]
    assert lived(apart) == undisturbed, "at once: the lease of the dead is nobody's"
    started = [line for line in apart.state.ledger("team/small") if line["event"] == "turn.started"]
    assert len(started) == 1
    assert apart.api.condition("Reconciled")["status"] == "True"


@pytest.mark.parametrize(
    ("order", "reason", "said"),
    [(REFUSE, "Failed", "The store wants a key."), (BREAK, "InternalError", "KeyError: 'what'. The controller's log")],
)
def test_what_fails_there_is_a_condition_here_in_the_same_words(
    apart: Apart, order: str, reason: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    apart.make()
    apart.order(order)
    assert apart.look() == pytest.approx(BACK_OFF[0], rel=0.11)
    condition = apart.api.condition("Reconciled")
    assert condition["reason"] == reason and said in condition["message"]
    assert ("in context" in caplog.text) == (reason == "InternalError"), "a bug's trace is of the process that had it"
    (apart.folder / order).unlink()
    apart.look()
    assert apart.api.condition("Reconciled")["status"] == "True"


def test_a_library_is_refused_to_this_thread_alone_and_for_as_long_as_it_is_light(apart: Apart) -> None:
    with pytest.raises(light.Heavy, match=LIBRARY), light.light():
        try:
            __import__(LIBRARY)
        except Exception:
            pytest.fail("it was taken for an error")
    with light.light():
        import threading

        done: list[Any] = []
        other = threading.Thread(target=lambda: done.append(__import__(LIBRARY)))
        other.start()
        other.join()
    assert len(done) == 1
