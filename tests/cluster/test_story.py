"""The flights' ModelLoop on a cluster, from the first turn to a promotion and a sabotaged challenger that is sent away.

Every part is real: the chart, Kubeflow Pipelines with its Pods, MLflow, model servers, gateways, HTTP. Only the time is
stated, so that a spring of flights takes twenty minutes. Then the same spring is lived through on this machine, by
`tidemill replay`'s own code: both ledgers say the same.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from rehearsal import PATIENCE, kubectl
from story import LOOP, Story, differences, on_a_laptop, told, told_on_a_cluster
from tidemill.loop.turn import files

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(5400)]
SPOILT = 2  # the second challenger after the bootstrap


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG names no cluster: `make e2e-cluster` brings one up")
    with told_on_a_cluster(float(os.environ.get("E2E_PATIENCE", "0"))) as found:
        found.begin()
        found.rehearsal.turned = partial(_packaged, found)
        yield found


@pytest.mark.smoke
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
    there, here = story.rehearsal.history(), on_a_laptop(tmp_path, last, SPOILT)
    assert not (found := differences(told(there), told(here))), found


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
