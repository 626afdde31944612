"""What one look at a ModelLoop does, over a real state store and real turns; the API server is a double."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api_double import ApiDouble
from controller_world import NOW, SPEC, FilePlace, prepare
from tidemill.adapters.scoped_state import ScopedState
from tidemill.adapters.sql_database import Database
from tidemill.adapters.sql_lease import Leases
from tidemill.adapters.sql_state import SqlState
from tidemill.controller.keeper import BACK_OFF, SOON, Keeper
from tidemill.controller.operator import Operator
from tidemill.controller.queue import Queue
from tidemill.controller.wanted import FINALIZER
from tidemill.loop.asking import ask
from tidemill.loop.errors import TemporaryError, TidemillError
from tidemill.loop.replay import SetClock

KEY = ("team", "small")


class World:
    """One loop. `look` does what watch and worker do: it hands over what the API server has, and looks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.api = folder, ApiDouble()
        self.database = Database(f"sqlite:///{folder}/state.db")
        self.told: list[tuple[str, str]] = []
        self.place: Any = FilePlace(folder, self.api, self.database)
        self.start()

    def start(self) -> None:
        """As a controller that was just started: it remembers nothing."""
        self.queue = Queue()
        self.keeper = Keeper(self.place, SetClock(NOW), 60.0, self.tell)
        self.operator = Operator(self.keeper, self.api, self.queue, 60.0, self.tell)  # type: ignore[arg-type]

    def tell(self, _: Any, event: str, message: str) -> None:
        self.told.append((event, message))

    def make(self, spec: dict[str, Any] = SPEC, history: bool = True) -> Path:
        home = prepare(self.folder, *KEY, self.database) if history else self.folder
        self.api.apply({"kind": "ModelLoop", "metadata": {"namespace": "team", "name": "small"}, "spec": spec})
        return home

    def look(self) -> float | None:
        for (kind, _, _), item in list(self.api.objects.items()):
            saw = self.operator.saw_loop if kind == "ModelLoop" else self.operator.saw_rollout
            saw(copy.deepcopy(item), False)
        known = self.operator._seen.wanted(KEY)
        for name in [] if known is None else known.rollouts:
            if ("ModelRollout", "team", name) not in self.api.objects:
                self.operator.saw_rollout(known.rollouts[name], True)
        return self.operator.step(KEY)

    @property
    def state(self) -> SqlState:
        return SqlState(self.database)

    def documents(self, kind: str) -> list[dict[str, Any]]:
        return self.state.documents("team/small", kind)

    def ask(self, what: str, by: str = "ann") -> None:
        once = f"{what}-{len(self.documents('request'))}"
        ask(ScopedState(self.state, "team"), "small", what, by, "", NOW, once=once)

    def note(self, name: str, value: str | None) -> None:
        self.api.merge("", "ModelLoop", *KEY, {"metadata": {"annotations": {f"tidemill.dev/{name}": value}}})

    def with_champion(self) -> None:
        self.make()
        self.look()  # the turn runs
        self.look()  # and is harvested

    def with_rollout(self) -> dict[str, Any]:
        self.with_champion()
        self.ask("train")
        self.look()
        self.look()
        (rollout,) = self.api.rollouts()
        return rollout


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_loop_is_taken_from_its_data_to_a_champion_that_answers(world: World) -> None:
    world.make()
    assert world.look() == pytest.approx(SOON, rel=0.11)
    assert world.api.condition("Ready")["status"] == "False"
    assert world.api.condition("Training")["reason"] == "TurnRunning"
    world.look()
    status = world.api.loop()["status"]
    assert status["champion"]["version"] == "1"
    assert world.api.condition("Ready")["status"] == "True"
    assert status["observedGeneration"] == 1
    assert world.look() == pytest.approx(60.0, rel=0.11)


def test_ready_is_told_before_there_is_a_champion(world: World) -> None:
    world.make(history=False)
    assert world.look() == pytest.approx(60.0, rel=0.11)  # nothing to hurry for
    assert world.api.condition("Ready") == world.api.condition("Training") | {"type": "Ready"}
    assert world.api.condition("Ready")["reason"] == "TooLittleData"


def test_nothing_is_written_where_nothing_changed(world: World) -> None:
    world.with_champion()
    world.look()
    world.api.writes.clear()
    world.look()
    assert world.api.writes == []


def test_a_condition_keeps_its_time_while_its_status_stays(world: World) -> None:
    world.with_champion()
    since = world.api.condition("Ready")["lastTransitionTime"]
    world.api.loop()["status"]["conditions"][0]["lastTransitionTime"] = "2019-01-01T00:00:00Z"
    assert world.api.condition("Ready")["lastTransitionTime"] != since
    world.ask("train")
    world.look()
    assert world.api.condition("Ready")["lastTransitionTime"] == "2019-01-01T00:00:00Z"


@pytest.mark.parametrize("spoil", [{"window": {"holdOut": "5 fortnights"}}, {"window": {"holdout": "5d"}}])
def test_a_spec_that_is_wrong_is_told_in_the_words_of_validate_and_not_tried_again(
    world: World, spoil: dict[str, Any]
) -> None:
    world.make({**SPEC, **spoil}, history=False)
    assert world.look() is None
    told = world.api.condition("Reconciled")
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")
    assert told["message"].startswith("modelloop/small: spec.window.hold")
    assert world.api.condition("Ready")["status"] == "Unknown"
    assert [event for event, _ in world.told] == ["spec.invalid"]
    world.api.patch("ModelLoop", "small", {"window": {"holdOut": "5d", "holdout": None}})
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"
    assert world.api.loop()["status"]["observedGeneration"] == 2


def test_a_loop_that_is_paused_is_left_alone_until_the_note_goes(world: World) -> None:
    world.make()
    world.note("paused", "true")
    assert world.look() is None
    assert world.api.condition("Reconciled")["reason"] == "Paused"
    assert world.documents("turn") == []
    world.note("paused", None)
    world.look()
    assert len(world.documents("turn")) == 1


def test_what_fails_is_tried_again_ever_later_and_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make()

    def away(*_: Any) -> Any:
        raise TemporaryError("The store does not answer.")

    monkeypatch.setattr(world.place, "context", away)
    pauses = [world.look() for _ in range(len(BACK_OFF) + 1)]
    assert pauses == [pytest.approx(pause, rel=0.11) for pause in (*BACK_OFF, BACK_OFF[-1])]
    assert world.api.condition("Reconciled")["reason"] == "Unavailable"
    assert world.told == [("tick.failed", "The store does not answer.")]


@pytest.mark.parametrize(("error", "reason"), [(TidemillError("No."), "Failed"), (KeyError("what"), "InternalError")])
def test_every_failure_is_a_condition(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    world.make()

    def fails(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(world.place, "context", fails)
    world.look()
    assert world.api.condition("Reconciled")["reason"] == reason


def test_a_loop_that_another_process_ticks_is_left_to_it(world: World) -> None:
    world.make()
    other = Leases(Database(f"sqlite:///{world.folder}/state.db"))
    with other.hold("team/small"):
        assert world.look() == pytest.approx(SOON, rel=0.11)
    assert "status" not in world.api.loop()
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"


# rollouts


def test_a_rollout_is_an_object_that_tells_where_it_stands(world: World) -> None:
    rollout = world.with_rollout()
    assert (rollout["spec"]["challenger"], rollout["spec"]["champion"]) == ("3", "1")
    assert rollout["status"]["phase"] == "Running"
    assert rollout["status"]["step"] == "shadow 100%"
    assert [arm["role"] for arm in rollout["status"]["arms"]] == ["champion", "shadow"]
    assert rollout["metadata"]["ownerReferences"][0]["uid"] == world.api.loop()["metadata"]["uid"]
    assert world.api.loop()["status"]["rollout"]["name"] == rollout["metadata"]["name"]


def test_a_rollout_that_a_person_deletes_comes_back(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.delete("", "ModelRollout", "team", name)
    world.look()
    assert [item["metadata"]["name"] for item in world.api.rollouts()] == [name]
    assert world.api.rollouts()[0]["status"]["phase"] == "Running"


def test_a_rollout_keeps_the_steps_that_it_began_with(world: World) -> None:
    began = copy.deepcopy(world.with_rollout()["spec"])
    world.api.patch("ModelLoop", "small", {"rollout": {"steps": [{"canary": "10%", "minOutcomes": 5}]}})
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"
    assert world.api.rollouts()[0]["spec"] == began


def test_labels_and_owner_of_a_rollout_are_repaired(world: World) -> None:
    world.with_rollout()
    metadata = world.api.rollouts()[0]["metadata"]
    metadata["labels"], metadata["ownerReferences"] = {}, []
    world.look()
    metadata = world.api.rollouts()[0]["metadata"]
    assert metadata["labels"]["tidemill.dev/loop"] == "small" and len(metadata["ownerReferences"]) == 1


def test_an_abort_by_kubectl_reaches_the_loop_once(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.patch("ModelRollout", name, {"abort": True})
    world.look()
    world.look()
    assert world.api.rollouts()[0]["status"]["phase"] == "Aborted"
    (asked,) = [r for r in world.documents("request") if r["what"] == "abort"]
    assert asked["by"] == "kubectl"


def test_an_approval_by_the_cli_shows_on_the_object(world: World) -> None:
    world.with_rollout()
    world.ask("approve")
    world.look()
    assert world.api.rollouts()[0]["spec"]["approved"] is True


def test_an_approval_by_kubectl_reaches_the_loop(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.patch("ModelRollout", name, {"approved": True})
    world.look()
    assert world.documents("rollout")[-1]["approved"] is True


def test_more_than_a_few_rollouts_that_are_over_are_not_kept(world: World) -> None:
    world.with_champion()
    for _ in range(7):
        world.ask("train")
        world.look()
        world.look()
        running = next(r for r in world.api.rollouts() if r["status"]["phase"] == "Running")
        world.api.patch("ModelRollout", running["metadata"]["name"], {"abort": True})
        world.look()
    assert len(world.documents("rollout")) == 7
    assert len(world.api.rollouts()) == 5


def test_a_rollout_that_cannot_be_shown_does_not_stop_the_loop(world: World) -> None:
    world.api.refuses.add("ModelRollout")
    world.with_champion()
    world.ask("train")
    world.look()
    world.look()
    assert world.api.condition("Reconciled")["reason"] == "RolloutNotShown"
    assert world.api.loop()["status"]["rollout"]["step"] == "shadow 100%"


# who paused


def test_what_kubectl_pauses_and_resumes_the_loop_does(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    for paused, phase in ((True, "Paused"), (False, "Running"), (True, "Paused")):
        world.api.patch("ModelRollout", name, {"paused": paused})
        world.look()
        assert bool(world.documents("rollout")[-1].get("held")) is paused
        assert world.api.rollouts()[0]["status"]["phase"] == phase
    assert len([r for r in world.documents("request") if r["what"] in ("pause", "resume")]) == 3


def test_what_the_cli_pauses_and_resumes_the_object_shows(world: World) -> None:
    world.with_rollout()
    for what, paused in (("pause", True), ("resume", False), ("pause", True)):
        world.ask(what)
        world.look()
        assert world.api.rollouts()[0]["spec"]["paused"] is paused
        world.look()  # and what we wrote is nobody's wish
    assert [r["by"] for r in world.documents("request") if r["what"] in ("pause", "resume")] == ["ann"] * 3


@pytest.mark.parametrize("first", ["kubectl", "cli"])
def test_each_side_can_undo_what_the_other_did(world: World, first: str) -> None:
    name = world.with_rollout()["metadata"]["name"]
    sides: dict[str, Callable[[bool], None]] = {
        "kubectl": lambda paused: world.api.patch("ModelRollout", name, {"paused": paused}),
        "cli": lambda paused: world.ask("pause" if paused else "resume"),
    }
    second = "cli" if first == "kubectl" else "kubectl"
    for side, paused in ((first, True), (second, False), (first, True), (second, False)):
        sides[side](paused)
        for _ in range(3):
            world.look()
            assert bool(world.documents("rollout")[-1].get("held")) is paused
            assert bool(world.api.rollouts()[0]["spec"].get("paused")) is paused


def test_an_older_sight_of_the_object_is_nobodys_wish(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.patch("ModelRollout", name, {"paused": True})
    world.look()
    old = copy.deepcopy(world.api.rollouts()[0])
    world.ask("resume")
    world.look()
    world.operator.saw_rollout(old, False)  # a watch that lags behind
    world.operator.step(KEY)
    assert not world.documents("rollout")[-1]["held"]
    assert world.api.rollouts()[0]["spec"]["paused"] is False


def test_a_controller_that_starts_anew_hears_nothing_twice(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.api.patch("ModelRollout", name, {"paused": True})
    world.look()
    world.start()
    world.ask("resume")
    world.look()
    assert world.api.rollouts()[0]["spec"]["paused"] is False
    world.start()
    world.look()
    assert not world.documents("rollout")[-1]["held"]


def test_a_rollout_that_comes_back_is_still_paused(world: World) -> None:
    name = world.with_rollout()["metadata"]["name"]
    world.ask("pause")
    world.look()
    world.api.delete("", "ModelRollout", "team", name)
    for _ in range(2):
        world.look()
        assert world.documents("rollout")[-1]["held"] is True
    assert world.api.rollouts()[0]["spec"]["paused"] is True
    world.api.patch("ModelRollout", name, {"paused": False})
    world.look()
    assert world.documents("rollout")[-1]["held"] is False


# deletion


def test_a_loop_is_held_before_anything_is_made_for_it(world: World) -> None:
    world.make()
    world.look()
    assert world.api.loop()["metadata"]["finalizers"] == [FINALIZER]


def test_the_finalizers_of_others_stay(world: World) -> None:
    world.make()
    world.api.loop()["metadata"]["finalizers"] = ["someone.else/holds"]
    world.look()
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert world.api.loop()["metadata"]["finalizers"] == ["someone.else/holds"]


def test_a_deleted_loop_ends_its_turn_and_goes(world: World) -> None:
    home = world.make()
    (home / "never-ends").touch()
    world.look()
    (turn,) = world.documents("turn")
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert ("ModelLoop", *KEY) not in world.api.objects
    assert (home / "cancelled").read_text().split() == [turn["id"]]
    (turn,) = world.documents("turn")
    assert (turn["status"], turn["reason"]) == ("failed", "Cancelled")
    assert world.state.get("team/small", "loop", "self")["deleted_at"]  # type: ignore[index]


def test_a_loop_whose_backend_is_away_says_so_and_is_let_go_by_force(world: World) -> None:
    home = world.make()
    (home / "never-ends").touch()
    (home / "cancel.refused").touch()
    world.look()
    world.api.delete("", "ModelLoop", *KEY)
    for _ in range(2):
        world.look()
    told = world.api.condition("Reconciled")
    assert told["reason"] == "ReleaseFailed"
    assert "Kubeflow does not answer" in told["message"]
    assert "kubectl annotate modelloop small -n team tidemill.dev/force-delete=true" in told["message"]
    assert [event for event, _ in world.told].count("loop.release.failed") == 1
    world.note("force-delete", "true")
    world.look()
    assert ("ModelLoop", *KEY) not in world.api.objects


def test_a_loop_that_was_never_right_can_be_deleted(world: World) -> None:
    world.make({**SPEC, "window": 7}, history=False)
    world.look()
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert ("ModelLoop", *KEY) not in world.api.objects


def test_a_turn_is_ended_though_the_spec_was_spoilt_meanwhile(world: World) -> None:
    home = world.make()
    (home / "never-ends").touch()
    world.look()
    world.api.loop()["spec"] = {"window": 7}
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert (home / "cancelled").exists()
    assert ("ModelLoop", *KEY) not in world.api.objects


def test_a_paused_loop_can_be_deleted(world: World) -> None:
    world.with_champion()
    world.note("paused", "true")
    world.look()
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    assert ("ModelLoop", *KEY) not in world.api.objects


def test_a_loop_that_is_made_again_goes_on_from_its_history(world: World) -> None:
    world.with_champion()
    world.api.delete("", "ModelLoop", *KEY)
    world.look()
    world.operator.saw_loop({"metadata": {"namespace": "team", "name": "small", "uid": "-"}, "spec": {}}, True)
    world.api.apply({"kind": "ModelLoop", "metadata": {"namespace": "team", "name": "small"}, "spec": SPEC})
    world.look()
    assert world.api.loop()["status"]["champion"]["version"] == "1"
    assert not world.state.get("team/small", "loop", "self").get("deleted_at")  # type: ignore[union-attr]


def test_an_object_that_somebody_changes_meanwhile_keeps_what_they_wrote(world: World) -> None:
    world.make()
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    world.api.merge("", "ModelLoop", *KEY, {"metadata": {"finalizers": ["someone.else/holds"]}})
    world.operator.step(KEY)  # on the older sight
    assert world.api.loop()["metadata"]["finalizers"] == ["someone.else/holds", FINALIZER]


def test_an_api_server_that_is_away_is_asked_again_soon(world: World) -> None:
    world.make()
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    world.api.away = True
    assert world.operator.step(KEY) == pytest.approx(SOON, rel=0.11)
    world.api.away = False
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"


@pytest.mark.parametrize(
    ("woken", "hurry"), [("2099-01-01T00:00:00+00:00", True), ("2001-01-01T00:00:00Z", False), (None, False)]
)
def test_a_controller_that_starts_takes_its_time_but_for_loops_that_were_woken(
    world: World, woken: str | None, hurry: bool
) -> None:
    world.make(history=False)
    world.look()
    world.note("woken-at", woken)
    world.start()
    world.operator._every = 1e6
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    assert (world.queue.take(0.0) == KEY) is hurry


def test_a_controller_that_starts_hurries_to_a_loop_that_was_changed(world: World) -> None:
    world.make(history=False)
    world.look()
    world.api.patch("ModelLoop", "small", {"window": {"holdOut": "4d"}})
    world.start()
    world.operator._every = 1e6
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    assert world.queue.take(0.0) == KEY


def test_a_tick_that_hangs_is_told_on_the_object_until_one_is_done(world: World) -> None:
    world.with_champion()
    world.operator.slow(KEY, 61.0)
    assert world.api.condition("Reconciled")["reason"] == "TickSlow"
    assert world.told[-1][0] == "tick.slow"
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"


def test_a_right_that_is_missing_is_told(world: World) -> None:
    world.make()
    world.operator.saw_loop(copy.deepcopy(world.api.loop()), False)
    world.api.refuses.add("ModelLoop")
    world.operator.step(KEY)
    assert world.told == [("tick.failed", "You may not write ModelLoops.")]
    assert world.documents("turn") == []  # nothing is made that could not be released


def test_a_deletion_that_the_watch_missed_is_found_out(world: World) -> None:
    world.with_champion()
    del world.api.objects["ModelLoop", "team", "small"]
    world.operator._asked[KEY] = float("-inf")
    assert world.operator.step(KEY) is None
    assert world.operator._seen.wanted(KEY) is None
