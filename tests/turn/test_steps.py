"""The steps on files, one after the other, as the components call them."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidemill.adapters.file_source import read_table
from tidemill.loop.errors import ArtifactChanged, DataUnreadable, TemporaryError, TidemillError
from tidemill.loop.model import ChampionRef, TurnRequest
from tidemill.loop.turn import artifact, steps
from tidemill.loop.turn.records import forget_failures
from tidemill.loop.turn.request import folder_of, read_request
from tidemill.loop.turn.user_code import TrainerFailed
from turn_world import DAYS, HOLD_OUT, LOGISTIC, ROWS, START, digest_of, rows_of, turn

NAN = (
    LOGISTIC
    + """

class Nan:
    def fit(self, X, y):
        self.fitted_ = True
        return self
    def __sklearn_tags__(self):
        from sklearn.base import BaseEstimator
        return BaseEstimator().__sklearn_tags__()
    def predict_proba(self, X):
        import numpy as np
        return np.full((len(X), 2), np.nan)

def nan(X, y, previous=None):
    return Nan().fit(X, y) if len(X) > FROM else train(X, y)
"""
)


class Says:
    """A validator that says what it was told to, and remembers what it was shown."""

    def __init__(self, *failures: str) -> None:
        self._failures, self.seen = list(failures), pd.DataFrame()

    def failures(self, frame: pd.DataFrame, suite: str, per_partition: bool = True) -> list[str]:
        assert not per_partition
        assert Path(suite).is_absolute()
        self.seen = frame
        return self._failures


def records(request: TurnRequest) -> dict[str, Any]:
    folder = folder_of(request.work_uri) / "steps"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def to_features(request: TurnRequest, folder: Path) -> Path:
    with steps.explained(request, "ingest"):
        steps.ingest(request, folder / "dataset", read_table)
    with steps.explained(request, "features"):
        steps.features(request, folder / "dataset", folder / "prepared")
    return folder / "prepared"


def to_models(request: TurnRequest, folder: Path) -> tuple[Path, Path]:
    prepared = to_features(request, folder)
    with steps.explained(request, "train"):
        steps.train(request, prepared, folder / "models")
    return prepared, folder / "models"


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> tuple[TurnRequest, Path]:
    folder = tmp_path_factory.mktemp("accepted")
    request = turn(folder)
    prepared, models = to_models(request, folder)
    steps.evaluate_step(request, prepared, models)
    steps.refit(request, prepared, models, folder / "refitted")
    return request, folder


def champion_of(accepted: tuple[TurnRequest, Path], folder: Path | None = None) -> ChampionRef:
    model = accepted[1] / "refitted" / "model"
    return ChampionRef("1", model.as_uri(), artifact.digest(model), None, START)


def test_every_step_leaves_what_it_did(accepted: tuple[TurnRequest, Path]) -> None:
    found = records(accepted[0])
    assert found["ingest"]["rows"] == DAYS * ROWS
    assert found["features"]["hold_out"] == HOLD_OUT * ROWS
    assert found["train"]["rows"] == (DAYS - HOLD_OUT) * ROWS
    assert found["train"]["trainer"] == accepted[0].spec["spec"]["model"]["trainer"]
    assert found["evaluate"]["verdict"] == steps.ACCEPTED
    assert found["refit"]["rows"] == DAYS * ROWS
    assert found["refit"]["digests"]["model"] == artifact.digest(accepted[1] / "refitted" / "model")


def test_a_step_run_again_says_the_same(accepted: tuple[TurnRequest, Path]) -> None:
    request, folder = accepted
    before = records(request)
    steps.ingest(request, folder / "again" / "dataset", read_table)
    steps.features(request, folder / "again" / "dataset", folder / "prepared-again")
    steps.evaluate_step(request, folder / "prepared-again", folder / "models")
    assert records(request) == before


def test_the_contents_digest_follows_labels_too(tmp_path: Path) -> None:
    request = turn(tmp_path)
    one = steps.ingest(request, tmp_path / "one", read_table)["digest"]
    other = turn(
        tmp_path, labels=lambda known: known.assign(label=known["label"].where(known.index > 0, 1 - known["label"]))
    )
    assert steps.ingest(other, tmp_path / "two", read_table)["digest"] != one


def test_validation_sees_inputs_without_the_label(tmp_path: Path) -> None:
    request = turn(tmp_path, data={"expectations": "suite.json"})
    steps.ingest(request, tmp_path / "dataset", read_table)
    validator = Says("x: too large")
    done = steps.validate(request, tmp_path / "dataset", validator)
    assert (done["verdict"], done["failures"]) == ("DataRejected", ["x: too large"])
    assert list(validator.seen.columns) == ["id", "at", "x", "z", "place"]
    assert steps.validate(request, tmp_path / "dataset", Says())["verdict"] == steps.PASSED


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_of_one_class_reject_the_data(tmp_path: Path, label: float) -> None:
    request = turn(tmp_path, labels=lambda known: known.assign(label=label))
    steps.ingest(request, tmp_path / "dataset", read_table)
    assert steps.validate(request, tmp_path / "dataset", Says())["verdict"] == "DataRejected"


def test_no_label_at_all_rejects_the_data(tmp_path: Path) -> None:
    request = turn(tmp_path, labels=lambda known: known.head(0), data={"expectations": "suite.json"})
    assert steps.ingest(request, tmp_path / "dataset", read_table)["rows"] == 0
    done = steps.validate(request, tmp_path / "dataset", Says("never asked"))
    assert (done["verdict"], done["failures"]) == ("DataRejected", [])


def test_a_trainer_that_raises_is_named_in_the_record(tmp_path: Path) -> None:
    request = turn(
        tmp_path, "def train(X, y, previous=None):\n    raise ZeroDivisionError('by hand')\n\nbase = train\n"
    )
    with pytest.raises(TrainerFailed):
        to_models(request, tmp_path)
    found = records(request)["train"]
    trainer = request.spec["spec"]["model"]["trainer"]
    assert found == {
        "failed": True,
        "reason": "TrainerFailed",
        "message": f"{trainer} raised ZeroDivisionError: by hand",
    }


def test_a_model_that_answers_nan_is_rejected_with_a_reason(tmp_path: Path) -> None:
    request = turn(tmp_path, NAN.replace("FROM", "0"))
    request.spec["spec"]["model"]["trainer"] = request.spec["spec"]["model"]["trainer"].replace(":train", ":nan")
    done, p, _ = steps.evaluate_step(request, *to_models(request, tmp_path))
    assert done["verdict"] == "NotANumber"
    assert np.isnan(p).all()


def test_a_model_that_answers_nan_only_once_refitted_is_not_registered(tmp_path: Path) -> None:
    request = turn(tmp_path, NAN.replace("FROM", str((DAYS - HOLD_OUT) * ROWS)))
    request.spec["spec"]["model"]["trainer"] = request.spec["spec"]["model"]["trainer"].replace(":train", ":nan")
    prepared, models = to_models(request, tmp_path)
    assert steps.evaluate_step(request, prepared, models)[0]["verdict"] == steps.ACCEPTED
    with pytest.raises(TrainerFailed), steps.explained(request, "refit"):
        steps.refit(request, prepared, models, tmp_path / "refitted")
    assert "not numbers, once trained on all rows" in records(request)["refit"]["message"]


def test_the_champion_is_compared_and_given_to_the_trainer_alone(
    accepted: tuple[TurnRequest, Path], tmp_path: Path
) -> None:
    told = (
        "\n\n_train, _base = train, base\n\n"
        "def train(X, y, previous=None):\n    assert hasattr(previous, 'steps'), previous\n    return _train(X, y)\n\n"
        "def base(X, y, previous=None):\n    assert previous is None\n    return _base(X, y)\n"
    )
    request = turn(tmp_path, LOGISTIC + told, champion_of(accepted))
    done, _, _ = steps.evaluate_step(request, *to_models(request, tmp_path))
    assert done["champion"]["log_loss"] is not None


def test_a_champion_that_changed_on_disk_is_never_unpickled(accepted: tuple[TurnRequest, Path], tmp_path: Path) -> None:
    champion = replace(champion_of(accepted), digest="sha256:what-was-registered")
    request = turn(tmp_path, champion=champion)
    with pytest.raises(ArtifactChanged):
        to_models(request, tmp_path)
    found = records(request)["train"]
    assert found["reason"] == "ArtifactChanged"
    assert "registered was sha256:what-was-registered" in found["message"]
    assert "tidemill rollback" in found["message"]


def test_a_partition_that_changed_since_the_request_fails_ingest_naming_it(tmp_path: Path) -> None:
    request = turn(tmp_path)
    rows_of(99).to_parquet(folder_of(request.partitions[5].uri), index=False)
    with pytest.raises(DataUnreadable):
        to_features(request, tmp_path)
    found = records(request)["ingest"]
    assert found["reason"] == "PipelineFailed"
    assert "Partition 2020-01-06 changed after it was admitted" in found["message"]


def test_an_unforeseen_error_is_recorded_with_its_kind(tmp_path: Path) -> None:
    request = turn(tmp_path)
    with pytest.raises(OSError), steps.explained(request, "features"):
        raise OSError(28, "No space left on device")
    assert records(request)["features"]["message"] == "OSError: [Errno 28] No space left on device"


def test_a_request_that_was_tampered_with_is_refused_and_recorded_beside_it(tmp_path: Path) -> None:
    request = turn(tmp_path)
    submitted = digest_of(request)
    path = folder_of(request.work_uri) / "request.json"
    assert steps.load_request(path.as_uri(), submitted) == request
    path.write_text(path.read_text().replace(request.work_uri, "file:///elsewhere"))
    with pytest.raises(TidemillError, match="changed after the run was submitted"):
        steps.load_request(path.as_uri(), submitted)
    assert records(request)["request"]["failed"]
    assert read_request(str(path.parent)).work_uri == "file:///elsewhere", "and nothing was written there"


def test_what_steps_did_outlives_a_run_and_what_failed_does_not(tmp_path: Path) -> None:
    request = turn(tmp_path)
    steps.record(request, "ingest", {"rows": 1})
    with pytest.raises(ValueError, match="no reason"), steps.explained(request, "validate"):
        raise ValueError("no reason")
    assert set(steps.records(request.work_uri)) == {"ingest", "validate"}
    forget_failures(request.work_uri)
    assert steps.records(request.work_uri) == {"ingest": {"rows": 1}}


class Marks:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["twin.pkl", "baseline.pkl"])
def test_a_model_that_is_not_what_was_trained_is_never_unpickled(tmp_path: Path, name: str) -> None:
    request = turn(tmp_path)
    prepared, models = to_models(request, tmp_path)
    (models / name).write_bytes(pickle.dumps(Marks(tmp_path / "unpickled")))
    with pytest.raises(ArtifactChanged), steps.explained(request, "evaluate"):
        steps.evaluate_step(request, prepared, models)
    assert not (tmp_path / "unpickled").exists()
    found = records(request)["evaluate"]
    assert found["reason"] == "ArtifactChanged"
    assert f"{name} is not what step train wrote" in found["message"]


@pytest.mark.parametrize("name", ["raw.parquet", "X.parquet", "late.npy"])
@pytest.mark.parametrize("step", ["train", "evaluate", "refit"])
def test_rows_that_are_not_what_was_prepared_are_not_read(tmp_path: Path, step: str, name: str) -> None:
    request = turn(tmp_path)
    prepared, models = to_models(request, tmp_path)
    file = prepared / name
    if name == "late.npy":
        np.save(file, ~np.load(file))
    else:
        pd.read_parquet(file).assign(x=0.0).to_parquet(file, index=False)
    does = {
        "train": lambda: steps.train(request, prepared, models),
        "evaluate": lambda: steps.evaluate_step(request, prepared, models),
        "refit": lambda: steps.refit(request, prepared, models, tmp_path / "refitted"),
    }
    with pytest.raises(ArtifactChanged, match=f"{name} is not what step features wrote"):
        does[step]()


@pytest.mark.parametrize("step", ["validate", "features"])
def test_a_snapshot_that_is_not_what_was_ingested_is_not_read(tmp_path: Path, step: str) -> None:
    request = turn(tmp_path)
    dataset = tmp_path / "dataset"
    steps.ingest(request, dataset, read_table)
    pd.read_parquet(dataset).assign(y=1.0).to_parquet(dataset, index=False)
    does = {
        "validate": lambda: steps.validate(request, dataset, Says()),
        "features": lambda: steps.features(request, dataset, tmp_path / "prepared"),
    }
    with pytest.raises(ArtifactChanged, match="dataset is not what step ingest wrote"):
        does[step]()


@pytest.mark.parametrize("damaged", [True, False])
def test_labels_that_are_not_those_of_the_snapshot_are_not_trained_on(tmp_path: Path, damaged: bool) -> None:
    request = turn(tmp_path)
    labels = folder_of(request.labels_uri)
    if damaged:
        labels.write_bytes(labels.read_bytes()[:-9])
    else:
        pd.read_parquet(labels).assign(label=lambda known: 1 - known["label"]).to_parquet(labels, index=False)
    with pytest.raises(ArtifactChanged), steps.explained(request, "ingest"):
        steps.ingest(request, tmp_path / "dataset", read_table)
    found = records(request)["ingest"]
    assert found["reason"] == "ArtifactChanged"
    assert "labels.parquet are not those of the turn's snapshot" in found["message"]


LEAVES = """
class Other(BaseException):
    pass


def train(X, y, previous=None):
    {does}


base = train
"""


@pytest.mark.parametrize(
    ("does", "said"),
    [("raise SystemExit('enough')", "SystemExit: enough"), ("raise Other('by hand')", "Other: by hand")],
    ids=["SystemExit", "BaseException"],
)
def test_a_trainer_that_leaves_by_what_is_no_exception_has_failed_in_its_words(
    tmp_path: Path, does: str, said: str
) -> None:
    request = turn(tmp_path, LEAVES.format(does=does))
    with pytest.raises(TrainerFailed):
        to_models(request, tmp_path)
    found = records(request)["train"]
    assert (found["reason"], "temporary" in found) == ("TrainerFailed", False)
    assert found["message"].endswith(f":train raised {said}")


def test_a_features_function_and_a_module_that_leave_have_failed_in_their_words(tmp_path: Path) -> None:
    code = LOGISTIC + "\n\ndef features(frame):\n    raise SystemExit('no weather')\n"
    request = turn(tmp_path, code)
    module = request.spec["spec"]["model"]["trainer"].partition(":")[0]
    request.spec["spec"]["model"]["features"] = f"{module}:features"
    with pytest.raises(TrainerFailed, match="features raised SystemExit: no weather"):
        to_features(request, tmp_path)
    with pytest.raises(TrainerFailed, match=r"cannot be imported from .* SystemExit: not here"):
        to_models(turn(tmp_path, "raise SystemExit('not here')\n"), tmp_path)


def test_a_model_that_cannot_be_pickled_is_the_trainers_failure(tmp_path: Path) -> None:
    code = LOGISTIC + "\n\nplain = train\n\ndef train(X, y, previous=None):\n    import threading\n"
    code += "    model = plain(X, y)\n    model.lock = threading.Lock()\n    return model\n"
    with pytest.raises(TrainerFailed, match="cannot be pickled: TypeError"):
        to_models(turn(tmp_path, code), tmp_path)


def test_what_was_away_is_told_from_what_is_wrong(tmp_path: Path) -> None:
    request = turn(tmp_path)
    with pytest.raises(TemporaryError), steps.explained(request, "register"):
        raise TemporaryError("MLflow at http://mlflow does not answer.")
    assert records(request)["register"]["temporary"] is True
