"""The real operator as a process, on a real API server: killed, doubled, paused, and told to let go.

Its loops are those of controller_world: real ticks and turns on files of this machine, so that no Pod is needed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from controller_world import NOW, SPEC, prepare
from real_cluster import Cluster
from tidemill.adapters.scoped_state import ScopedState
from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.asking import ask

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(900)]
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CRDS = ROOT / "charts" / "tidemill" / "crds"
PATIENCE = 180.0  # seconds until something must have come to be, on a busy machine


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """Fails, and never skips: an end-to-end test that did not run shows nothing."""
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG names no cluster: this test needs one, such as kind's (`kind create cluster`)")
    found = Cluster()
    if found.kubectl("get", "-f", CRDS).returncode != 0:  # applied anew they would interrupt whoever watches
        found.done("apply", "--server-side", "-f", CRDS)
    found.done("wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS)
    return found


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Life:
    """A namespace with one loop, `small`, and the controllers that keep it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        folder.mkdir()
        self.cluster, self.folder, self.namespace = cluster, folder, f"h-controller-{uuid.uuid4().hex[:6]}"
        cluster.done("create", "namespace", self.namespace)
        self.database = Database(f"sqlite:///{folder}/state.db")
        self.home = prepare(folder, self.namespace, "small", self.database)
        (folder / "clock").write_text(NOW.isoformat())
        self.running: list[subprocess.Popen[str]] = []
        self.started = 0

    @property
    def state(self) -> ScopedState:
        return ScopedState(SqlState(self.database), self.namespace)

    def start(self, port: int = 0) -> subprocess.Popen[str]:
        self.started += 1
        port = port or free_port()
        roots = os.pathsep.join(str(ROOT / name) for name in ("platform", "components", "pipelines"))
        environment = {**os.environ, "PYTHONPATH": roots, "TIDEMILL_CLOCK": (self.folder / "clock").as_uri()}
        with (self.folder / f"log-{self.started}").open("w") as log:
            ran = subprocess.Popen(
                [sys.executable, str(HERE / "controller_world.py"), str(self.folder), self.namespace, str(port)],
                env=environment, stdout=log, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        self.running.append(ran)
        return ran

    def kill(self, which: subprocess.Popen[str]) -> None:
        self.running.remove(which)  # first: one that still stands there has ended by itself
        which.kill()
        which.wait()

    def end(self) -> None:
        for ran in list(self.running):
            self.kill(ran)
        self.cluster.kubectl("patch", "ml", "small", *self.here, "--type=merge", "-p", '{"metadata":{"finalizers":[]}}')
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")

    @property
    def here(self) -> tuple[str, str]:
        return "-n", self.namespace

    def apply(self, **annotations: str) -> None:
        notes = {f"tidemill.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
        document = {
            "apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelLoop",
            "metadata": {"name": "small", "annotations": notes}, "spec": SPEC,
        }  # fmt: skip
        self.cluster.done("apply", *self.here, "-f", "-", input=json.dumps(document))

    def ask(self, what: str, once: str) -> None:
        """As the server does: recorded, then the controller is woken."""
        ask(self.state, "small", what, "ann", "", NOW, once=once)
        self.note("woken-at", datetime.now(UTC).isoformat())

    def note(self, name: str, value: str) -> None:
        self.cluster.done("annotate", "ml", "small", *self.here, "--overwrite", f"tidemill.dev/{name}={value}")

    def patch(self, rollout: str, **spec: bool) -> None:
        self.cluster.done("patch", "mr", rollout, *self.here, "--type=merge", "-p", json.dumps({"spec": spec}))

    def rollouts(self) -> dict[str, dict[str, Any]]:
        return {item["metadata"]["name"]: item for item in self.cluster.read("mr", *self.here)["items"]}

    def phases(self) -> list[str]:
        found = sorted(self.rollouts().values(), key=lambda item: int(item["spec"]["challenger"]))
        return [item.get("status", {}).get("phase", "") for item in found]

    def loop(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.read("ml", "small", *self.here)
        return found

    def reason(self, kind: str) -> str:
        conditions = self.loop().get("status", {}).get("conditions", [])
        return next((c["reason"] for c in conditions if c["type"] == kind), "")

    def is_gone(self) -> bool:
        return self.cluster.kubectl("get", "ml", "small", *self.here).returncode != 0

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while True:
            with suppress(AssertionError, KeyError, IndexError):
                if found := holds():
                    return found
            ended = [ran.returncode for ran in self.running if ran.poll() is not None]
            if ended or time.monotonic() > end:
                logs = [path.read_text()[-1500:] for path in sorted(self.folder.glob("log-*"))[-2:]]
                raise AssertionError(f"not yet: {what}; controllers that ended: {ended}. " + "\n".join(logs))
            time.sleep(0.2)

    def acts(self, number: int) -> bool:
        """Whether the controller that was started as the number-th came that far."""
        return "this controller acts" in (self.folder / f"log-{number}").read_text()

    def champion(self) -> None:
        self.until(lambda: self.reason("Ready") == "Serving", "a champion that answers")

    def started_turns(self) -> list[str]:
        return [line["evidence"]["turn"] for line in self.state.ledger("small") if line["event"] == "turn.started"]


@pytest.fixture
def life(cluster: Cluster, tmp_path: Path) -> Iterator[Life]:
    made = Life(cluster, tmp_path / "life")
    yield made
    made.end()


def live(life: Life) -> None:
    """A champion, a rollout that is paused, resumed, deleted and aborted by kubectl, and a second one."""
    life.apply()
    life.champion()
    life.ask("train", "one")
    name = life.until(lambda: life.phases() == ["Running"] and next(iter(life.rollouts())), "the rollout runs")
    for paused, phase in ((True, "Paused"), (False, "Running")):
        life.patch(name, paused=paused)
        life.until(lambda phase=phase: life.phases() == [phase], f"the rollout is {phase}")
    before = life.rollouts()[name]["metadata"]["uid"]
    life.cluster.done("delete", "mr", name, *life.here)
    life.until(lambda: life.rollouts()[name]["metadata"]["uid"] != before, "the rollout comes back")
    life.patch(name, abort=True)
    life.until(lambda: life.phases() == ["Aborted"], "the rollout is aborted")
    life.ask("train", "two")
    life.until(lambda: life.phases() == ["Aborted", "Running"], "the second rollout runs")
    life.until(lambda: life.loop()["status"].get("rollout", {}).get("step") == "shadow 100%", "the loop says so, too")


def end_state(life: Life) -> dict[str, Any]:
    """What must be the same: not how often a run was submitted, nor the uid of an object in a request's id."""
    state = life.state
    turns = [
        {k: v for k, v in t.items() if k not in ("attempts", "work_uri")} for t in state.documents("small", "turn")
    ]
    kinds = ("rollout", "champion", "reign", "signal", "partition")
    status = life.loop()["status"]
    return {
        "turns": turns,
        **{kind: state.documents("small", kind) for kind in kinds},
        "requests": [(r["what"], r["by"]) for r in state.documents("small", "request")],
        "ledger": [(line["event"], line["reason"], line["message"]) for line in state.ledger("small")],
        "status": {key: status.get(key) for key in ("champion", "rollout", "turn", "partitions")},
        "phases": life.phases(),
    }


def strip(found: dict[str, Any], life: Life) -> dict[str, Any]:
    """Without the folder that it was lived in."""
    stripped: dict[str, Any] = json.loads(json.dumps(found).replace(str(life.folder), "").replace(life.namespace, ""))
    return stripped


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    made = Life(cluster, tmp_path_factory.mktemp("undisturbed") / "life")
    try:
        made.start()
        live(made)
        return strip(end_state(made), made)
    finally:
        made.end()


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments_it_ends_the_same(life: Life, undisturbed: dict[str, Any], seed: int) -> None:
    over, chance, kills = threading.Event(), random.Random(seed), 0

    def disturb() -> None:
        nonlocal kills
        while kills < 12 and not over.is_set():
            while not life.acts(life.started) and not over.wait(0.05):
                pass
            if over.wait(chance.uniform(0.2, 5.0)):
                return
            life.kill(life.running[0])
            kills += 1
            life.start()

    life.start()
    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        live(life)
    finally:
        over.set()
        disturbing.join()
    assert kills >= 2
    assert strip(end_state(life), life) == undisturbed
    assert len(life.started_turns()) == len(set(life.started_turns())) == 3


def test_of_two_controllers_one_acts_and_the_other_takes_over(life: Life) -> None:
    first, second = life.start(), life.start()
    life.apply()
    life.champion()
    acting = [ran for number, ran in enumerate((first, second), 1) if life.acts(number)]
    assert len(acting) == 1
    life.kill(acting[0])
    life.ask("train", "one")
    life.until(lambda: life.phases() == ["Running"], "the other one acts")
    assert len(life.started_turns()) == len(set(life.started_turns())) == 2


def test_a_paused_loop_is_left_alone_and_goes_on_when_the_note_goes(life: Life) -> None:
    life.start()
    life.apply(paused="true")
    life.until(lambda: life.reason("Reconciled") == "Paused", "it is paused")
    assert life.started_turns() == []
    life.cluster.done("annotate", "ml", "small", *life.here, "tidemill.dev/paused-")
    life.champion()


def test_a_deleted_loop_is_gone_when_its_turn_is(life: Life) -> None:
    (life.home / "never-ends").touch()
    life.start()
    life.apply()
    (turn,) = life.until(life.started_turns, "the turn runs")
    life.until(lambda: "TurnStarted" in life.cluster.done("get", "events", *life.here), "an event says so")
    life.cluster.done("delete", "ml", "small", *life.here, "--timeout=60s")
    assert (life.home / "cancelled").read_text().split() == [turn]


def test_a_loop_that_cannot_be_released_says_why_and_goes_by_force(life: Life) -> None:
    (life.home / "never-ends").touch()
    (life.home / "cancel.refused").touch()
    life.start()
    life.apply()
    life.until(life.started_turns, "the turn runs")
    life.cluster.done("delete", "ml", "small", *life.here, "--wait=false")
    life.until(lambda: life.reason("Reconciled") == "ReleaseFailed", "it says why it is still there")
    life.until(lambda: "LoopReleaseFailed" in life.cluster.done("get", "events", *life.here), "an event says so, too")
    assert not life.is_gone()
    life.note("force-delete", "true")
    life.until(life.is_gone, "it is gone")


def test_it_tells_that_it_lives_while_ticks_run_and_ends_when_it_is_told(life: Life) -> None:
    port = free_port()
    ran = life.start(port)
    life.apply()
    answers: list[int] = []

    def alive() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            answers.append(answer.status)
        return life.reason("Ready") == "Serving"

    life.until(alive, "a champion that answers")
    assert len(answers) >= 3 and set(answers) == {200}
    ran.send_signal(signal.SIGTERM)
    assert ran.wait(60) == 0
    life.running.remove(ran)
