"""A rollout keeps the rules it began with, is guarded while it is paused, and loses no line of the ledger."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from small_world import Small, events, model_loop
from tidemill.decisions.verdict import Reason
from tidemill.loop.asking import ask as request
from tidemill.loop.documents.rollout import RolloutDocument
from tidemill.loop.model import ModelVersion, Readiness
from tidemill.loop.tick import tick
from tried_versions import DAY, FIRST, HOUR, MINUTE, ask, rollout, tried


@pytest.fixture
def it(tmp_path: Path) -> Small:
    return under_way(tried(tmp_path))


def under_way(it: Small) -> Small:
    it.plane._models = {"1": object(), "2": object()}
    it.registry.get = lambda name, version: ModelVersion(version, "memory:", "", "")  # type: ignore[method-assign]
    return it


def fail(it: Small) -> None:
    for minute in range(1, 11):
        keys = [f"{minute}-{n}" for n in range(12)]
        ask(it, keys, FIRST + minute * MINUTE, keys)


def fail_seldom(it: Small) -> None:
    for minute in range(1, 11):
        keys = [f"{minute}-{n}" for n in range(12)]
        ask(it, keys, FIRST + minute * MINUTE, keys[:1])


def test_steps_that_the_spec_loses_meanwhile_promote_nobody(it: Small) -> None:
    changed = model_loop(rollout={"steps": [], "maxDuration": "30d"})
    it.context.loop = changed
    report = tick(it.context, FIRST + HOUR)
    assert rollout(it).status == "running"
    assert not events(it.context, "champion.promoted")
    assert any("keeps the rules it began with" in event.message for event in report.waiting)


def test_a_rollout_that_a_person_paused_is_ended_by_harm(it: Small) -> None:
    request(it.context.state, "small", "pause", "ann", "", FIRST)
    tick(it.context, FIRST + MINUTE)
    assert rollout(it).held
    fail(it)
    tick(it.context, FIRST + 11 * MINUTE)
    assert (rollout(it).status, rollout(it).reason) == ("aborted", Reason.WORSE)


def test_a_rollout_that_a_person_paused_is_ended_by_a_changed_artifact(it: Small) -> None:
    request(it.context.state, "small", "pause", "ann", "", FIRST)
    changed = Readiness(False, "digest differs", Reason.ARTIFACT_CHANGED)
    prepare = it.plane.prepare
    it.plane.prepare = lambda v: changed if v.version == "2" else prepare(v)  # type: ignore[method-assign]
    tick(it.context, FIRST + MINUTE)
    assert (rollout(it).status, rollout(it).reason) == ("aborted", Reason.ARTIFACT_CHANGED)


def test_a_rollout_that_a_person_paused_goes_nowhere_else(it: Small) -> None:
    request(it.context.state, "small", "pause", "ann", "", FIRST)
    tick(it.context, FIRST + 40 * DAY)
    assert rollout(it).status == "running"
    assert rollout(it).held


def test_an_approval_before_its_time_is_over_does_not_promote_what_was_not_decided(it: Small) -> None:
    request(it.context.state, "small", "approve", "ann", "", FIRST)
    fail_seldom(it)
    tick(it.context, FIRST + HOUR)
    assert rollout(it).approved_at == FIRST
    tick(it.context, FIRST + 31 * DAY)
    assert (rollout(it).status, rollout(it).reason) == ("paused", Reason.INCONCLUSIVE)
    request(it.context.state, "small", "approve", "ann", "now I know", FIRST + 31 * DAY)
    tick(it.context, FIRST + 31 * DAY + MINUTE)
    assert (rollout(it).status, rollout(it).reason) == ("promoted", Reason.APPROVED)


def test_an_approval_of_an_earlier_release_is_one_of_the_rollouts_first_moment(it: Small) -> None:
    stored = {**rollout(it).stored(), "v": 2, "approved": True}
    assert RolloutDocument.read(stored).approved_at == FIRST
    assert RolloutDocument.read({**stored, "approved": False}).approved_at is None


def test_a_second_pause_for_the_same_reason_is_a_line_of_its_own(it: Small) -> None:
    late = FIRST + timedelta(days=31)
    tick(it.context, late)
    assert (rollout(it).status, rollout(it).reason) == ("paused", Reason.INCONCLUSIVE)
    again = rollout(it).model_copy(update={"status": "running", "reason": "GatheringEvidence"})
    it.context.state.put("small", "rollout", "r", again.stored())
    tick(it.context, late + HOUR)
    assert len(events(it.context, "rollout.paused")) == 2
    tick(it.context, late + 2 * HOUR)
    assert len(events(it.context, "rollout.paused")) == 2, "and no other while it stays paused"


def test_every_change_of_the_route_is_a_line_of_the_ledger(it: Small) -> None:
    def changes() -> list[Any]:
        return [[arm["version"] for arm in line["evidence"]["arms"]] for line in events(it.context, "route.changed")]

    tick(it.context, FIRST)
    assert changes() == [["1", "2"]]
    tick(it.context, FIRST + MINUTE)
    assert changes() == [["1", "2"]]
    request(it.context.state, "small", "abort", "ann", "", FIRST)
    tick(it.context, FIRST + 2 * MINUTE)
    assert changes() == [["1", "2"], ["1"]]
    it.plane._route = None
    tick(it.context, FIRST + 3 * MINUTE)
    assert it.plane.route("small") is not None, "a data plane that lost it gets it again"
    assert len(changes()) == 2
