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
from tidemill.loop.standing import standing
from tidemill.loop.tick import tick
from tried_versions import DAY, FIRST, HOUR, MINUTE, ask, label, rollout, tried


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


def with_usual_labels(it: Small) -> None:
    """So that days with their labels close."""
    for day in range(1, 15):
        usual = {"id": f"2024-02-{day:02d}", "due": 200, "share": 1.0, "ages": {"0": 0.0, "1": 3600.0}}
        it.context.state.put("small", "arrival", usual["id"], usual)


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


def test_a_rollout_that_began_without_written_rules_keeps_the_steps_that_it_entered(it: Small) -> None:
    before = rollout(it).model_copy(update={"rules": None})
    it.context.state.put("small", "rollout", "r", before.stored())
    it.context.loop = model_loop(rollout={"steps": [], "maxDuration": "30d"})
    tick(it.context, FIRST + HOUR)
    assert rollout(it).status == "running"
    (step,) = rollout(it).rollout(it.context.spec.rollout).steps
    assert (step.shadow, step.canary) == (1.0, None)


def test_a_rollout_that_began_without_written_rules_keeps_those_of_the_first_tick(it: Small) -> None:
    before = rollout(it).model_copy(update={"rules": None})
    it.context.state.put("small", "rollout", "r", before.stored())
    tick(it.context, FIRST + HOUR)
    it.context.loop = model_loop(rollout={"steps": [], "maxDuration": "30d"})
    report = tick(it.context, FIRST + 2 * HOUR)
    assert len(rollout(it).rollout(it.context.spec.rollout).steps) == 2
    assert any("spec.rollout has changed" in event.message for event in report.waiting)


def test_recalibration_that_the_spec_turns_on_meanwhile_is_the_next_rollouts(tmp_path: Path) -> None:
    model = {"task": "binary-classification", "trainer": "small_model:train", "baseline": "small_model:base"}
    it = under_way(tried(tmp_path, model={**model, "recalibrate": {"when": "never"}}))
    with_usual_labels(it)
    for day in range(2):
        keys = [f"{day}-{n}" for n in range(60)]
        ask(it, keys, FIRST + day * DAY + 12 * HOUR)
        label(it, keys, FIRST + day * DAY + 20 * HOUR)
        report = tick(it.context, FIRST + (day + 1) * DAY + 7 * HOUR)
        it.context.loop = model_loop()
    blocks = it.context.state.documents("small", "pairs/r")
    assert [sorted(block["differences"]) for block in blocks] == [["brier", "log_loss"]] * 2
    assert any("spec.model.recalibrate has changed" in event.message for event in report.waiting)


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


def test_a_rollout_that_a_person_paused_shows_the_present_figures(it: Small) -> None:
    request(it.context.state, "small", "pause", "ann", "", FIRST)
    with_usual_labels(it)
    for day in range(2):
        keys = [f"{day}-{n}" for n in range(60)]
        ask(it, keys, FIRST + day * DAY + 12 * HOUR)
        label(it, keys, FIRST + day * DAY + 20 * HOUR)
        tick(it.context, FIRST + (day + 1) * DAY + 7 * HOUR)
        shown = standing(it.context.state, "small", 0, FIRST)["rollout"]
        assert shown["evidence"]["blocks"] == day + 1
        assert f"Meanwhile: {60 * (day + 1)} of 100 outcomes" in shown["message"]
    assert (shown["status"], shown["reason"]) == ("paused", Reason.PAUSED_BY_PERSON)
    assert (rollout(it).status, rollout(it).reason) == ("running", Reason.STARTED)


@pytest.mark.parametrize(("policy", "then"), [("promote", "promoted"), ("abort", "aborted")])
def test_what_a_resume_does_at_once_is_said_before_it(tmp_path: Path, policy: str, then: str) -> None:
    rules = model_loop().spec.rollout.model_copy(update={"on_inconclusive": policy})
    it = under_way(tried(tmp_path, rules=rules.model_dump(by_alias=True, mode="json")))
    request(it.context.state, "small", "pause", "ann", "", FIRST)
    fail_seldom(it)
    report = tick(it.context, FIRST + 31 * DAY)
    assert f"once it is resumed, it is {then}" in standing(it.context.state, "small", 0, FIRST)["rollout"]["message"]
    assert any(f"once it is resumed, it is {then}" in event.message for event in report.waiting)
    request(it.context.state, "small", "resume", "ann", "", FIRST + 31 * DAY)
    tick(it.context, FIRST + 31 * DAY + MINUTE)
    assert rollout(it).status == then


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
