"""A turn whose run is taken away, or not taken at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from small_world import MODEL, Small, events, small
from tidemill.adapters.local.inline import InlinePipelines
from tidemill.decisions.verdict import Reason
from tidemill.gateway.inline import InlineDataPlane
from tidemill.loop.asking import ask
from tidemill.loop.errors import TidemillError
from tidemill.loop.harvest import MAX_ATTEMPTS
from tidemill.loop.model import Phase, TurnRequest, TurnStatus
from tidemill.loop.tick import settle, tick


class LosesRuns(InlinePipelines):
    """Its first `losses` runs are taken away before they end."""

    losses = 0

    def submit(self, request: TurnRequest) -> None:
        if self.losses > 0:
            self.losses -= 1
            return
        super().submit(request)

    def status(self, turn: str) -> TurnStatus:
        found = super().status(turn)
        return replace(found, message="Step train was lost: its Pod p was deleted") if found.reason is None else found


class RefusesRuns(InlinePipelines):
    refusals = 0

    def submit(self, request: TurnRequest) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise TidemillError("exceeded quota: pods=10")
        super().submit(request)


def losing(folder: Path, losses: int) -> Small:
    it = small(folder)
    pipelines = LosesRuns(it.registry)
    pipelines.losses = losses
    return running_by(it, pipelines)


def running_by(it: Small, pipelines: InlinePipelines) -> Small:
    it.context = replace(it.context, ports=replace(it.context.ports, pipelines=pipelines))
    it.replay.context = it.context
    return it


def test_a_turn_that_loses_its_run_is_submitted_again_and_ends_as_if_it_had_not(tmp_path: Path) -> None:
    told = []
    for losses in (0, MAX_ATTEMPTS - 1):
        it = losing(tmp_path / str(losses), losses)
        it.replay.bootstrap()
        told.append([(line["event"], line["reason"]) for line in it.context.state.ledger("small")])
        (turn,) = it.context.state.documents("small", "turn")
        assert (turn["status"], turn["attempts"]) == ("accepted", losses + 1)
    assert told[0] == told[1]


def test_a_turn_that_is_lost_too_often_fails_with_what_was_lost_last(tmp_path: Path) -> None:
    it = losing(tmp_path, MAX_ATTEMPTS)
    it.replay.bootstrap()
    (failed,) = events(it.context, "turn.failed")
    assert (
        f"was lost {MAX_ATTEMPTS} times, at last so: Step train was lost: its Pod p was deleted." in failed["message"]
    )


class Fails(InlinePipelines):
    def submit(self, request: TurnRequest) -> None:
        self._ended[request.id] = TurnStatus(Phase.FAILED, Reason.TRAINER_FAILED, "helpers.py raised", "train")


def test_a_turn_that_failed_is_tried_again_once_any_module_of_the_project_is_mended(tmp_path: Path) -> None:
    it = small(tmp_path)
    (tmp_path / "small_model.py").write_text("import helpers\n" + MODEL)
    (tmp_path / "helpers.py").write_text("raise ValueError\n")
    running_by(it, Fails(it.registry))
    it.replay.bootstrap()
    tick(it.context, it.clock.now())
    (failed,) = it.context.state.documents("small", "turn")
    assert failed["status"] == "failed"
    (tmp_path / "helpers.py").write_text("mended = True\n")
    tick(it.context, it.clock.now())
    assert len(it.context.state.documents("small", "turn")) == 2


def test_a_submission_that_is_refused_is_no_lost_run_and_its_reason_is_told(tmp_path: Path) -> None:
    it = small(tmp_path)
    pipelines = RefusesRuns(it.registry)
    pipelines.refusals = MAX_ATTEMPTS + 2
    running_by(it, pipelines)
    it.replay.bootstrap()
    for _ in range(MAX_ATTEMPTS):
        assert "exceeded quota" in tick(it.context, it.clock.now()).failures[0].message
    settle(it.context, it.clock.now())
    (turn,) = it.context.state.documents("small", "turn")
    assert (turn["status"], turn["attempts"]) == ("accepted", 2)


def test_what_refuses_a_turn_keeps_nothing_else_from_being_done(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    pipelines = RefusesRuns(it.registry)
    pipelines.refusals = 1
    emptied = InlineDataPlane(
        it.context.spec.data, it.plane._log, it.context.ports.outcomes, it.clock, it.registry.load
    )
    it.context = replace(it.context, ports=replace(it.context.ports, pipelines=pipelines, serving=emptied))
    ask(it.context.state, "small", "train", "someone", "", it.clock.now())
    (failure,) = tick(it.context, it.clock.now()).failures
    assert failure.step == "start_turn"
    assert "exceeded quota" in failure.message
    assert emptied.route("small") is not None
