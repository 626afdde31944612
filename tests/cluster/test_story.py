"""The flights' ModelLoop on a cluster, from the first turn to a promotion and a sabotaged challenger that is sent away.

Every part is real: the chart, Kubeflow Pipelines with its Pods, MLflow, model servers, gateways, HTTP. Only the time is
stated, so that three weeks of March 2013 take a quarter of an hour.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
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
PATIENT_DAYS = 21  # more than any rollout of the demo takes


@dataclass
class Story:
    """The rehearsal, and the day that comes next."""

    rehearsal: Rehearsal
    installation: Installation
    day: date

    def live_until(self, what: str, condition: Callable[[], bool], days: int = PATIENT_DAYS) -> None:
        for _ in range(days):
            if condition():
                return
            self.rehearsal.live(self.day)
            self.rehearsal.tell(f"{self.day}: {json.dumps(self.rehearsal.status().get('rollout'))}")
            self.day += timedelta(days=1)
        raise Late(f"{what}: not within {days} days")

    def rollout(self, number: int) -> dict[str, Any]:
        """The status of the n-th ModelRollout that there ever was, empty while there is none."""
        found = self.rehearsal.rollouts()
        status: dict[str, Any] = found[number].get("status", {}) if len(found) > number else {}
        return status

    def phase(self, number: int) -> str:
        return str(self.rollout(number).get("phase"))


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
        document = yaml.safe_load((PROJECT / "loop.yaml").read_text())
        document["spec"]["model"]["image"] = f"{IMAGES}/e2e-flights:{TAG}"
        rehearsal.bootstrap(yaml.safe_dump(document), PROJECT)
        yield Story(rehearsal, made, world.live_from)
        kubectl("-n", made.namespace, "delete", "modelloop", LOOP, "--timeout=120s")


def test_the_first_model_comes_from_pods_of_kubeflow_and_answers(story: Story) -> None:
    status = story.rehearsal.status()
    assert status["champion"]["version"] == "1"
    assert status["turn"]["reason"] == "Accepted"
    ran = kubectl("-n", "kubeflow", "get", "pods", "-l", "pipelines.kubeflow.org/v2_component=true", "-o", "name")
    assert ran, "the steps ran as Pods"
    story.rehearsal.live(story.day)
    story.day += timedelta(days=1)
    answers = story.rehearsal.answers[-1]
    assert set(answers["version"]) == {"1"}
    assert len(answers) == len(story.rehearsal.world.delivered(story.day - timedelta(days=1)))


def test_a_better_challenger_goes_through_shadow_and_canary_to_promotion(story: Story) -> None:
    story.live_until("there is more to learn from", lambda: story.day >= date(2013, 3, 8))
    story.rehearsal.ask("train", "a week of March")
    story.rehearsal.until("a challenger is tried", lambda: story.phase(0) != "None", PATIENCE)
    seen: list[str] = []

    def over() -> bool:
        status = story.rollout(0)
        if status.get("step") and status["step"] not in seen:
            seen.append(status["step"])
        return status.get("phase") in ("Promoted", "Aborted")

    story.live_until("the rollout ends", over)
    assert story.phase(0) == "Promoted", story.rollout(0)
    assert [step for step in seen if step != "getting ready"] == ["shadow 100%", "canary 10%", "canary 50%"]
    arms = {arm for answers in story.rehearsal.answers for arm in answers["arm"]}
    assert arms == {"champion", "canary"}, "the canary answered real requests"
    assert story.rehearsal.status()["champion"]["version"] == "3"


def test_a_challenger_that_was_sabotaged_after_its_evaluation_is_sent_away(story: Story) -> None:
    loop = story.rehearsal
    kubectl("-n", loop.namespace, "annotate", "modelloop", LOOP, "tidemill.dev/paused=true")
    loop.ask("train", "one that will be spoilt")
    kubectl("-n", loop.namespace, "annotate", "modelloop", LOOP, "tidemill.dev/paused-")
    loop.until("its turn runs", lambda: (loop.status().get("turn") or {}).get("status") == "running", 120)
    kubectl("-n", loop.namespace, "annotate", "modelloop", LOOP, "tidemill.dev/paused=true")
    work = files.join(loop.root, "turns", loop.status()["turn"]["id"])
    recorded = files.join(work, "steps", "register.json")
    loop.until("it is registered", lambda: files.exists(recorded), PATIENCE)
    registered = json.loads(files.read_bytes(recorded))
    _spoil(story, registered["version"], registered["uri"])
    kubectl("-n", loop.namespace, "annotate", "modelloop", LOOP, "tidemill.dev/paused-")
    loop.until("it is tried", lambda: story.phase(1) != "None", PATIENCE)
    champion = loop.status()["champion"]["version"]
    story.live_until("the rollout ends", lambda: story.phase(1) in ("Promoted", "Aborted"))
    assert story.phase(1) == "Aborted", story.rollout(1)
    assert loop.status()["champion"]["version"] == champion


def test_kubectl_and_the_history_tell_the_story(story: Story) -> None:
    table = kubectl("-n", story.rehearsal.namespace, "get", "modelloop,modelrollout")
    assert "Promoted" in table and "Aborted" in table and "Serving" in table
    events = [entry["event"] for entry in story.rehearsal.history()]
    assert events.count("turn.started") == 3
    assert events.count("champion.promoted") == 1
    assert events.count("rollout.aborted") == 1


def _spoil(story: Story, version: str, uri: str) -> None:
    """A packaging job that is broken, and signs what it packed: neither metrics nor digest can tell."""
    import tempfile

    from flights.sabotage import STALE_PREPROCESSING, spoil
    from mlflow import MlflowClient
    from tidemill.adapters.artifact import digest
    from tidemill.adapters.mlflow_registry import DIGEST

    with tempfile.TemporaryDirectory() as scratch:
        folder = files.fetch_folder(uri, Path(scratch) / "model")
        spoil(folder, STALE_PREPROCESSING)
        files.store_folder(folder, uri)
        MlflowClient(tracking_uri=story.installation.mlflow).set_model_version_tag(
            LOOP, version, DIGEST, digest(folder)
        )
