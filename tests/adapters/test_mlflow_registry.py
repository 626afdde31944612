"""What MLflow alone has: runs, metrics, files. What every registry does is in tests/contracts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tidemill.adapters.mlflow_registry import MlflowRegistry, schema_tag
from tidemill.loop.errors import VersionUnknown


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> MlflowRegistry:
    home = tmp_path_factory.mktemp("mlflow")
    return MlflowRegistry(f"sqlite:///{home}/new/mlflow.db", home / "artifacts")


def test_a_turn_has_one_run_however_often_it_is_asked_for(registry: MlflowRegistry) -> None:
    one = registry.run("loop", "t1", {"a": "b"})
    assert registry.run("loop", "t1", {}) == one
    assert registry.run("loop", "t2", {}) != one
    assert registry.run("other", "t1", {}) != one


def test_logging_the_same_again_changes_nothing(registry: MlflowRegistry) -> None:
    run = registry.run("loop", "t3", {})
    for _ in range(2):
        registry.log(run, {"rows": 5}, {"log_loss": 0.5}, {"model_card.md": "# card"})
    found = registry._client.get_run(run)
    assert found.info.status == "FINISHED"
    assert (found.data.params, found.data.metrics) == ({"rows": "5"}, {"log_loss": 0.5})
    assert len(registry._client.get_metric_history(run, "log_loss")) == 1


def test_an_unknown_version_says_where_it_was_looked_for_but_no_password(tmp_path: Path) -> None:
    registry = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts")
    registry._uri = "postgresql://user:secret@db/mlflow"
    registry._opened = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)._client
    with pytest.raises(VersionUnknown, match=r"MLflow \(db/mlflow\) has no version 3 of loop") as refusal:
        registry.get("loop", "3")
    assert "secret" not in str(refusal.value)


def test_a_schema_always_fits_its_tag() -> None:
    assert json.loads(schema_tag(["a", "b"])) == ["a", "b"]
    columns = [f"column_{n}" for n in range(2000)]
    tag = schema_tag(columns)
    assert len(tag) <= 5000
    shown = json.loads(tag)
    assert shown[-1] == "..."
    assert shown[:-1] == columns[: len(shown) - 1]
