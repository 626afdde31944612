"""A turn inside this process ends as the compiled pipeline ends it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tidemill.adapters.local.inline import InlinePipelines
from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.decisions.verdict import Reason
from tidemill.loop.model import ChampionRef, Phase, TurnStatus
from tidemill.loop.turn.request import folder_of
from turn_world import LOGISTIC, START, rows_of, turn


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def pipelines(registry: MemoryRegistry) -> InlinePipelines:
    return InlinePipelines(registry)


def ended(pipelines: InlinePipelines, *args: object, **kwargs: object) -> TurnStatus:
    request = turn(*args, **kwargs)  # type: ignore[arg-type]
    pipelines.submit(request)
    return pipelines.wait(request.id, 0)


def test_a_good_turn_is_accepted_and_registered_once(
    pipelines: InlinePipelines, registry: MemoryRegistry, tmp_path: Path
) -> None:
    request = turn(tmp_path)
    assert pipelines.status(request.id).phase is Phase.UNKNOWN
    for _ in range(2):
        pipelines.submit(request)
    status = pipelines.status(request.id)
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.ACCEPTED)
    model, baseline = registry.versions("tiny")
    assert status.result["register"] == {"version": model.version, "baseline_version": baseline.version}
    assert registry.load(model).predict_proba(rows_of(0)).shape == (60, 2)
    assert model.tags["tidemill.trained_until"] == request.as_of.isoformat()


def test_the_champion_is_compared_and_given_to_the_next_trainer_alone(
    pipelines: InlinePipelines, registry: MemoryRegistry, tmp_path: Path
) -> None:
    first = ended(pipelines, tmp_path)
    told = (
        "\n\n_train, _base = train, base\n\n"
        "def train(X, y, previous=None):\n    assert hasattr(previous, 'steps'), previous\n    return _train(X, y)\n\n"
        "def base(X, y, previous=None):\n    assert previous is None\n    return _base(X, y)\n"
    )
    champion = ChampionRef(first.result["register"]["version"], "", "", None, START)
    status = ended(pipelines, tmp_path, LOGISTIC + told, champion)
    assert status.reason is Reason.ACCEPTED, status.message
    assert status.result["evaluate"]["champion"]["log_loss"] is not None


def test_what_is_accepted_always_is_not_evaluated(pipelines: InlinePipelines, tmp_path: Path) -> None:
    status = ended(pipelines, tmp_path, evaluation={"accept": {"always": True}})
    assert status.reason is Reason.ACCEPTED
    assert status.result["evaluate"] == {"excess": 0.0}


def test_data_that_cannot_be_trained_on_is_rejected(pipelines: InlinePipelines, tmp_path: Path) -> None:
    status = ended(pipelines, tmp_path, labels=lambda known: known.assign(label=0.0))
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.DATA_REJECTED)


def test_a_challenger_that_is_no_better_is_rejected(
    pipelines: InlinePipelines, registry: MemoryRegistry, tmp_path: Path
) -> None:
    status = ended(pipelines, tmp_path, evaluation={"accept": {"minRows": 50, "minGain": 5.0}})
    assert status.reason is Reason.NO_BETTER_THAN_BASELINE
    assert registry.versions("tiny") == []


RAISES = "def train(X, y, previous=None):\n    raise KeyError('a')\n\nbase = train\n"
NO_PROBABILITIES = """
def train(X, y, previous=None):
    from sklearn.svm import LinearSVC
    return LinearSVC()

base = train
"""
CANNOT_PREDICT = NO_PROBABILITIES.replace("svm", "linear_model").replace("LinearSVC", "LogisticRegression")


@pytest.mark.parametrize("code", [RAISES, NO_PROBABILITIES, CANNOT_PREDICT])
def test_a_trainer_that_fails_fails_the_turn(pipelines: InlinePipelines, tmp_path: Path, code: str) -> None:
    status = ended(pipelines, tmp_path, code)
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.TRAINER_FAILED)
    assert ":train" in status.message


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone"])
def test_a_partition_that_is_not_what_was_admitted_fails_the_turn(
    pipelines: InlinePipelines, tmp_path: Path, gone: bool
) -> None:
    request = turn(tmp_path)
    path = folder_of(request.partitions[2].uri)
    path.unlink()
    if not gone:
        pd.DataFrame({"id": ["a"]}).to_parquet(path)
    pipelines.submit(request)
    status = pipelines.status(request.id)
    assert (status.phase, status.step) == (Phase.FAILED, "ingest")
    assert "Partition 2020-01-03" in status.message


def test_a_cancelled_turn_is_unknown(pipelines: InlinePipelines, tmp_path: Path) -> None:
    request = turn(tmp_path)
    pipelines.submit(request)
    pipelines.cancel(request.id)
    pipelines.cancel(request.id)
    assert pipelines.status(request.id).phase is Phase.UNKNOWN
