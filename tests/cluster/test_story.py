"""The flights' ModelLoop on a cluster, from the first turn to a promotion and a sabotaged challenger that is sent away.

Every part is real: the chart, Kubeflow Pipelines with its Pods, MLflow, model servers, gateways, HTTP. Only the time is
stated, so that a spring of flights takes twenty minutes. Then the same spring is lived through on this machine, by
`tidemill replay`'s own code: both ledgers say the same.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from installation import IMAGES, TAG, Installation, installed
from rehearsal import PATIENCE, Late, Rehearsal, kubectl
from tidemill.loop.turn import files

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(5400)]
PROJECT = Path(__file__).parents[2] / "examples" / "flights"
LOOP = "flight-delay"
PATIENT_DAYS = 40  # more than the first rollout, or the second, needs to begin and end
SPOILT = 2  # the second challenger after the bootstrap


@dataclass
class Story:
    """The rehearsal, and the day that comes next."""

    rehearsal: Rehearsal
    installation: Installation
    document: dict[str, Any]
    day: date
    steps: list[str] = field(default_factory=list)

    def live_until(self, what: str, condition: Callable[[], bool], days: int = PATIENT_DAYS) -> None:
        for _ in range(days):
            if condition():
                return
            self.rehearsal.live(self.day)
            rollout = self.rehearsal.status().get("rollout") or {}
            if rollout and rollout["step"] not in self.steps:
                self.steps.append(rollout["step"])
            self.rehearsal.tell(f"{self.day}: {json.dumps(rollout)}")
            self.day += timedelta(days=1)
        raise Late(f"{what}: not within {days} days")

    def rollout(self, number: int) -> dict[str, Any]:
        """The status of the n-th ModelRollout that there ever was, empty while there is none."""
        found = self.rehearsal.rollouts()
        status: dict[str, Any] = found[number].get("status", {}) if len(found) > number else {}
        return status

    def is_over(self, number: int) -> bool:
        return self.rollout(number).get("phase") in ("Promoted", "Aborted")


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG names no cluster: `make e2e-cluster` brings one up")
    sys.path.insert(0, str(PROJECT))
    from flights.world import FlightsYear

    world = FlightsYear(faults=False)
    with installed() as made:
        root = f"{made.storage}/{made.namespace}/{LOOP}"
        rehearsal = Rehearsal(
            made.namespace, LOOP, root, made.clock, made.gateway, made.server, made.token, world, "flight_id", "delayed"
        )
        document = _document()
        document["spec"]["model"]["image"] = f"{IMAGES}/e2e-flights:{TAG}"
        rehearsal.bootstrap(yaml.safe_dump(document), PROJECT)
        found = Story(rehearsal, made, document, world.live_from)
        rehearsal.turned = partial(_packaged, found)
        yield found
        kubectl("-n", made.namespace, "delete", "modelloop", LOOP, "--timeout=120s")


def _document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((PROJECT / "loop.yaml").read_text())
    for metric in document["spec"]["rollout"]["judge"]["metrics"]:
        if "slo" in metric:
            metric["slo"] = "2s"  # how busy the machine is shall decide nothing
    return document


def test_the_first_model_comes_from_pods_of_kubeflow_and_answers(story: Story) -> None:
    status = story.rehearsal.status()
    assert status["champion"]["version"] == "1"
    assert status["turn"]["reason"] == "Accepted"
    ran = kubectl("-n", "kubeflow", "get", "pods", "-l", "pipelines.kubeflow.org/v2_component=true", "-o", "name")
    assert ran, "the steps ran as Pods"
    story.live_until("a day", lambda: len(story.rehearsal.answers) == 1)
    answers = story.rehearsal.answers[-1]
    assert set(answers["version"]) == {"1"}
    assert len(answers) == len(story.rehearsal.world.delivered(story.day - timedelta(days=1)))


def test_a_challenger_goes_through_shadow_and_canary_to_promotion(story: Story) -> None:
    story.live_until("the first rollout ends", partial(story.is_over, 0))
    assert story.rollout(0)["phase"] == "Promoted", story.rollout(0)
    assert [step for step in story.steps if step != "getting ready"] == ["shadow 100%", "canary 10%", "canary 50%"]
    arms = {arm for answers in story.rehearsal.answers for arm in answers["arm"]}
    assert arms == {"champion", "canary"}, "the canary answered real requests"
    assert story.rehearsal.status()["champion"]["version"] == "3"


def test_a_challenger_that_was_sabotaged_after_its_evaluation_is_sent_away(story: Story) -> None:
    story.live_until("the second rollout ends", partial(story.is_over, 1))
    assert story.rollout(1)["phase"] == "Aborted", story.rollout(1)
    assert story.rehearsal.status()["champion"]["version"] == "3"


def test_kubectl_and_the_history_tell_the_story(story: Story) -> None:
    table = kubectl("-n", story.rehearsal.namespace, "get", "modelloop,modelrollout")
    assert "Promoted" in table and "Aborted" in table and "Serving" in table
    events = [entry["event"] for entry in story.rehearsal.history()]
    assert events.count("champion.promoted") == 1
    assert events.count("rollout.aborted") == 1
    assert events.count("turn.started") == events.count("challenger.registered") == 3


def test_a_laptop_that_lives_through_the_same_days_says_the_same(story: Story, tmp_path: Path) -> None:
    last = story.day - timedelta(days=1)
    there, here = story.rehearsal.history(), _on_a_laptop(tmp_path, last)
    assert _told(there) == _told(here)


def _told(ledger: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What happened on which day, and why, in all its figures; but for ids, which hold where the code lies."""
    return sorted(
        (entry["at"][:10], entry["event"], entry["reason"], re.sub(r"[0-9a-f]{12,}", "#", entry["message"]))
        for entry in ledger
    )


def _on_a_laptop(folder: Path, last: date) -> list[dict[str, Any]]:
    from flights.sabotage import STALE_PREPROCESSING, spoil
    from flights.world import FlightsYear
    from tidemill.adapters.sql.state import SqlState
    from tidemill.cli.project import open_project
    from tidemill.cli.replaying.run import _the_loop

    class Spring(FlightsYear):
        def sabotage(self, turn_number: int) -> Callable[[Path], None] | None:
            return partial(spoil, kind=STALE_PREPROCESSING) if turn_number == SPOILT else None

    project = folder / "project"
    shutil.copytree(PROJECT, project)
    (project / "loop.yaml").write_text(yaml.safe_dump(_document()))
    world = Spring(days=(last - FlightsYear.live_from).days + 1, faults=False)
    (folder / "out").mkdir()
    _the_loop(open_project(project / "loop.yaml"), world, {}, folder / "out", print)
    return SqlState(f"sqlite:///{folder}/out/run/tidemill/home/state.db").ledger(LOOP)


def _packaged(story: Story, turn: str, number: int) -> None:
    """A packaging job that is broken for one version, and signs what it packed: neither metrics nor digest can tell."""
    from flights.sabotage import STALE_PREPROCESSING, spoil
    from mlflow import MlflowClient
    from tidemill.adapters.artifact import digest
    from tidemill.adapters.mlflow_registry import DIGEST

    if number != SPOILT:
        return
    recorded = files.join(story.rehearsal.root, "turns", turn, "steps", "register.json")
    story.rehearsal.until("it is registered", lambda: files.exists(recorded), PATIENCE)
    registered = json.loads(files.read_bytes(recorded))
    with tempfile.TemporaryDirectory() as scratch:
        folder = files.fetch_folder(registered["uri"], Path(scratch) / "model")
        spoil(folder, STALE_PREPROCESSING)
        files.store_folder(folder, registered["uri"])
        client = MlflowClient(tracking_uri=story.installation.mlflow)
        client.set_model_version_tag(LOOP, registered["version"], DIGEST, digest(folder))
