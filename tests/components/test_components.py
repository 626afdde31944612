"""Each component's function, called as Kubeflow calls it, on a tiny project: what people see on the dashboard."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from tidemill.loop.model import TurnRequest
from tidemill.loop.turn.request import folder_of
from tidemill_components.evaluate import evaluate
from tidemill_components.features import features
from tidemill_components.ingest import ingest
from tidemill_components.refit import refit
from tidemill_components.register import register
from tidemill_components.train import train
from tidemill_components.validate import validate
from turn_world import DAYS, HOLD_OUT, ROWS, digest_of, turn

SUITE = {
    "name": "tiny",
    "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "x", "min_value": -9, "max_value": 9}},
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1, "max_value": ROWS}},
    ],
}


@dataclass
class Run:
    """A turn's request, and the artifacts that its tasks write, by name."""

    request: TurnRequest
    folder: Path
    artifacts: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)

    def make(self, kind: type, name: str) -> Any:
        path = self.folder / "artifacts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.artifacts[name] = kind(uri=str(path))
        self.artifacts[name].path = str(path)
        return self.artifacts[name]

    def call(self, component: Any, **arguments: Any) -> Any:
        uri = (folder_of(self.request.work_uri) / "request.json").as_uri()
        answer = component.python_func(request_uri=uri, request_digest=digest_of(self.request), **arguments)
        self.answers[component.name] = answer
        return answer

    def until_validated(self) -> str:
        dataset = self.make(dsl.Dataset, "dataset")
        found = self.call(ingest, dataset=dataset)
        verdict: str = self.call(
            validate, data_digest=found.digest, dataset=dataset, report=self.make(dsl.HTML, "validation")
        )
        return verdict

    def until_evaluated(self) -> str:
        prepared, models = self.make(dsl.Dataset, "prepared"), self.make(dsl.Model, "models")
        self.call(features, dataset=self.artifacts["dataset"], prepared=prepared)
        self.call(train, prepared=prepared, models=models)
        verdict: str = self.call(
            evaluate,
            prepared=prepared,
            models=models,
            metrics=self.make(dsl.Metrics, "metrics"),
            classification=self.make(dsl.ClassificationMetrics, "classification"),
            report=self.make(dsl.HTML, "evaluation"),
        )
        return verdict

    def until_registered(self) -> str:
        refitted = self.make(dsl.Model, "refitted")
        self.call(refit, prepared=self.artifacts["prepared"], models=self.artifacts["models"], refitted=refitted)
        version: str = self.call(register, refitted=refitted, card=self.make(dsl.Markdown, "card"))
        return version


def tiny(folder: Path, **spec: Any) -> Run:
    (folder / "suite.json").write_text(json.dumps(SUITE))
    spec = {"data": {"expectations": "suite.json"}, "evaluation": {"slices": ["place"]}, **spec}
    return Run(turn(folder, **spec), folder)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = tiny(tmp_path_factory.mktemp("components"))
    assert run.until_validated() == "Passed"
    assert run.until_evaluated() == "Accepted"
    run.until_registered()
    return run


def test_ingest_says_how_many_rows_and_their_digest(done: Run) -> None:
    answer = done.answers["ingest"]
    assert answer.rows == DAYS * ROWS
    assert answer.digest.startswith("sha256:")
    assert done.artifacts["dataset"].metadata == {"rows": DAYS * ROWS, "digest": answer.digest, "partitions": DAYS}


def test_features_and_train_say_what_they_did(done: Run) -> None:
    assert done.artifacts["prepared"].metadata == {"train": (DAYS - HOLD_OUT) * ROWS, "hold_out": HOLD_OUT * ROWS}
    assert done.artifacts["models"].metadata["rows"] == (DAYS - HOLD_OUT) * ROWS


def test_evaluate_gives_the_dashboard_metrics_a_curve_a_matrix_and_a_page(done: Run) -> None:
    metrics = done.artifacts["metrics"].metadata
    assert {"challenger_log_loss", "challenger_auc", "baseline_log_loss"} <= set(metrics)
    assert not any(name.startswith("champion") for name in metrics)
    shown = done.artifacts["classification"].metadata
    assert len(shown["confidenceMetrics"]) > 50
    matrix = shown["confusionMatrix"]
    assert sum(sum(row["row"]) for row in matrix["rows"]) == HOLD_OUT * ROWS
    page = Path(done.artifacts["evaluation"].path).read_text()
    assert page.startswith("<!doctype html>")
    assert "Accepted" in page


def test_validate_gives_a_page_and_a_days_row_count_does_not_apply(done: Run) -> None:
    page = Path(done.artifacts["validation"].path).read_text()
    assert "Passed" in page
    assert f"{DAYS * ROWS} labelled rows pass." in page


def test_refit_and_register_leave_version_digests_and_a_card(done: Run) -> None:
    from tidemill.adapters.mlflow_registry import MlflowRegistry
    from tidemill.loop.turn.artifact import verify

    registry = MlflowRegistry(done.request.tracking_uri, done.folder / "home" / "artifacts")
    model, baseline = registry.versions("tiny")
    assert (model.version, done.answers["register"]) == ("1", "1")
    assert baseline.tags["tidemill.role"] == "baseline"
    assert model.digest == done.artifacts["refitted"].metadata["model"]
    verify(folder_of(model.uri), model.digest)
    assert model.tags["tidemill.trained_until"] == done.request.as_of.isoformat()
    card = Path(done.artifacts["card"].path).read_text()
    assert f"# tiny, turn {done.request.id}" in card
    assert "| challenger | 0." in card
    assert "none: the first model of its loop" in card
    assert f"{DAYS * ROWS} labelled rows" in card


def test_registering_again_finds_what_was_registered(done: Run) -> None:
    from mlflow import MlflowClient

    assert done.call(register, refitted=done.artifacts["refitted"], card=done.make(dsl.Markdown, "card")) == "1"
    client = MlflowClient(tracking_uri=done.request.tracking_uri)
    experiment = client.get_experiment_by_name("tiny")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.params["rows"] == str(DAYS * ROWS)
    assert "model_card.md" in [found.path for found in client.list_artifacts(runs[0].info.run_id)]


def test_a_turn_killed_between_keeping_and_registering_registers_what_it_refits_then(done: Run) -> None:
    """A refit has another digest each time: MLflow writes the moment into the folder."""
    from tidemill.adapters.mlflow_registry import MlflowRegistry
    from tidemill.loop.turn.artifact import digest, verify

    registry = MlflowRegistry(done.request.tracking_uri, done.folder / "home" / "artifacts")
    kept = done.folder / "home" / "artifacts" / "tiny" / "models" / "other-model"
    kept.mkdir(parents=True)
    (kept / "model.pkl").write_text("of the run that was killed")
    refitted = Path(done.artifacts["refitted"].path) / "model"
    version = registry.register("tiny", refitted.as_uri(), digest(refitted), "other", {})
    verify(folder_of(version.uri), version.digest)


def test_files_that_are_not_what_was_refitted_are_not_registered(done: Run) -> None:
    from tidemill.adapters.mlflow_registry import MlflowRegistry
    from tidemill.loop.errors import ArtifactChanged

    registry = MlflowRegistry(done.request.tracking_uri, done.folder / "home" / "artifacts")
    refitted = Path(done.artifacts["refitted"].path) / "model"
    with pytest.raises(ArtifactChanged):
        registry.register("tiny", refitted.as_uri(), "sha256:other", "third", {})
    assert not [version for version in registry.versions("tiny") if version.turn == "third"]


def test_a_snapshot_that_fails_its_suite_ends_with_a_reason_and_a_page(tmp_path: Path) -> None:
    run = tiny(tmp_path)
    strict = {**SUITE["expectations"][0], "kwargs": {"column": "x", "max_value": 0}}  # type: ignore[dict-item]
    (tmp_path / "suite.json").write_text(json.dumps({**SUITE, "expectations": [strict]}))
    assert run.until_validated() == "DataRejected"
    page = Path(run.artifacts["validation"].path).read_text()
    assert "x: column_values_to_be_between (max_value 0.0)" in page


def test_a_rejected_challenger_ends_with_a_reason_and_its_figures(tmp_path: Path) -> None:
    run = tiny(tmp_path, evaluation={"accept": {"minRows": 50, "minGain": 5.0}})
    run.until_validated()
    assert run.until_evaluated() == "NoBetterThanBaseline"
    assert run.artifacts["metrics"].metadata["challenger_log_loss"] > 0
    assert "accept.minGain is 5" in Path(run.artifacts["evaluation"].path).read_text()


def test_a_request_that_changed_since_is_not_worked_on(tmp_path: Path) -> None:
    run = tiny(tmp_path)
    path = folder_of(run.request.work_uri) / "request.json"
    with pytest.raises(Exception, match="changed after the run was submitted"):
        ingest.python_func(path.as_uri(), "sha256:other", run.make(dsl.Dataset, "dataset"))
    assert not (tmp_path / "artifacts" / "dataset").exists()
