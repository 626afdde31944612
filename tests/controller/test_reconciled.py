"""What is said of steps that failed while the others were done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tidemill.loop.tick
from kept_loop import World
from tidemill.controller.keeper import BACK_OFF
from tidemill.controller.reconciled import RECONCILED, reconciled

AT = datetime(2026, 5, 4, 7, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Failure:
    step: str = "admit_arrivals"
    message: str = "The source cannot be read."
    since: datetime = AT
    temporary: bool = True


@dataclass(frozen=True)
class Report:
    """A report with failures; the rest is a real one's."""

    report: Any
    failures: tuple[Failure, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.report, name)


@pytest.fixture
def failing(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Failure]:
    """What fails at each tick from now on."""
    failures: list[Failure] = []
    tick = tidemill.loop.tick.tick
    monkeypatch.setattr(tidemill.loop.tick, "tick", lambda *args: Report(tick(*args), tuple(failures)))
    return failures


def test_a_tick_that_did_all_is_reconciled() -> None:
    assert reconciled(()) is RECONCILED


def test_each_failed_step_is_named_and_what_a_person_must_mend_goes_first() -> None:
    fact = reconciled([Failure(), Failure("validate", "The suite is no JSON.", AT + timedelta(hours=1), False)], "No.")
    assert (fact.status, fact.reason) == ("False", "Failed")
    assert fact.message == (
        "validate: The suite is no JSON. (since 2026-05-04 08:30 UTC) "
        "admit_arrivals: The source cannot be read. (since 2026-05-04 07:30 UTC) No."
    )
    assert reconciled([Failure()]).reason == "Unavailable"
    assert reconciled([], "No.").reason == "RolloutNotShown"


def test_a_step_that_fails_is_a_condition_and_the_rest_of_the_status_goes_on(
    world: World, failing: list[Failure]
) -> None:
    world.with_champion()
    failing.append(Failure())
    world.ask("train")
    world.look()
    condition = world.api.condition("Reconciled")
    assert (condition["status"], condition["reason"]) == ("False", "Unavailable")
    assert "admit_arrivals: The source cannot be read." in condition["message"]
    assert world.api.condition("Ready")["status"] == "True"
    assert world.api.condition("Training")["reason"] == "TurnRunning"
    failing.clear()
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"


@pytest.mark.parametrize("stood", ["True", "False"])
def test_ready_stays_what_it_is_where_the_route_was_not_seen(world: World, failing: list[Failure], stood: str) -> None:
    world.with_champion()
    world.api.condition("Ready")["status"] = stood
    failing.append(Failure("reconcile_route"))
    world.look()
    assert world.api.condition("Ready")["status"] == stood


def test_what_failed_is_tried_again_soon_for_as_long_as_it_takes(world: World, failing: list[Failure]) -> None:
    world.with_champion()
    failing.append(Failure())
    pauses = [world.look() or 0.0 for _ in range(2 * len(BACK_OFF))]
    assert max(pauses) <= 30.0 * 1.1
    told = [message for event, message in world.told if event == "tick.failed"]
    assert len(told) == 1, "and told once"
