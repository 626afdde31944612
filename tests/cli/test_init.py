from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tidemill
from click.testing import CliRunner, Result
from tidemill.cli.init import name_from, write_project
from tidemill.cli.main import cli
from tidemill.cli.template.visits import visits, write_days
from tidemill.spec.checking import check_loop


def init(*args: str) -> Result:
    return CliRunner().invoke(cli, ["init", *args])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_project(folder, "shop", date(2026, 1, 31))
    return folder


def frame_of(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_csv(path) for path in sorted((folder / "data").glob("*.csv"))], ignore_index=True)


def test_a_new_project_is_valid_and_its_data_ends_yesterday(tmp_path: Path) -> None:
    result = init(str(tmp_path / "My Shop!"))
    assert result.exit_code == 0, result.output
    findings = check_loop(tmp_path / "My Shop!" / "loop.yaml")
    assert (findings.problems, findings.warnings) == ((), ())
    assert findings.loop is not None
    assert findings.loop.metadata.name == "my-shop"
    days = sorted(path.stem for path in (tmp_path / "My Shop!" / "data").iterdir())
    assert len(days) == 45
    assert abs(date.fromisoformat(days[-1]) - datetime.now(UTC).date()) <= timedelta(days=2)


def test_the_image_is_made_from_the_components_of_this_version_and_holds_code_alone(shop: Path) -> None:
    text = (shop / "Dockerfile").read_text()
    assert text.splitlines()[1:4] == [
        f"ARG COMPONENTS=tidemill/components:{tidemill.__version__}", "FROM ${COMPONENTS}", "COPY . /project"
    ]  # fmt: skip
    assert (shop / ".dockerignore").read_text().split() == [".tidemill/", "__pycache__/", "data/"]


def test_the_name_can_be_given(tmp_path: Path) -> None:
    result = init(str(tmp_path / "x"), "--name", "churn", "--output", "json")
    assert json.loads(result.output)["name"] == "churn"
    assert "name: churn" in (tmp_path / "x" / "loop.yaml").read_text()
    assert "/v2/models/churn/infer" in (tmp_path / "x" / "README.md").read_text()


def test_a_name_that_kubernetes_refuses_is_refused(tmp_path: Path) -> None:
    result = init(str(tmp_path / "x"), "--name", "Not A Name")
    assert (result.exit_code, (tmp_path / "x").exists()) == (2, False)


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("mine")
    result = init(str(tmp_path))
    assert result.exit_code == 2
    assert "is not empty. Name another folder, or write into it with --force." in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


def test_with_force_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert init(str(tmp_path), "--force").exit_code == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    assert init(str(tmp_path)).exit_code == 0


@pytest.mark.parametrize(
    ("folder", "name"), [("My Shop!", "my-shop"), ("--", "model"), ("a" * 70, "a" * 63), ("Ünï", "n")]
)
def test_the_name_is_the_nearest_that_kubernetes_takes(folder: str, name: str) -> None:
    assert name_from(Path(folder)) == name


def test_the_same_day_always_gives_the_same_visits() -> None:
    assert visits(date(2026, 1, 31)) == visits(date(2026, 1, 31))
    assert visits(date(2026, 1, 31)) != visits(date(2026, 1, 30))


def test_days_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    assert len(write_days(tmp_path, date(2026, 1, 31), 3)) == 3
    assert [path.name for path in write_days(tmp_path, date(2026, 2, 1), 3)] == ["2026-02-01.csv"]


def test_every_row_belongs_to_the_day_of_its_file_and_has_a_key_of_its_own(shop: Path) -> None:
    for path in (shop / "data").glob("*.csv"):
        assert set(pd.read_csv(path)["visited_at"].str[:10]) == {path.stem}
    assert frame_of(shop)["visit_id"].is_unique


def test_the_model_beats_the_baseline_on_the_last_week(shop: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    from tidemill.cli.template import model

    frame = frame_of(shop)
    X, y = model.features(frame), frame["bought"]
    late = frame["visited_at"] >= "2026-01-25"
    loss = {
        fit.__name__: metrics.log_loss(y[late], fit(X[~late], y[~late]).predict_proba(X[late])[:, 1])
        for fit in (model.train, model.average)
    }
    assert loss["train"] < loss["average"] - 0.02


def test_the_features_take_a_request_that_says_little(shop: Path) -> None:
    from tidemill.cli.template import model

    request = json.loads((shop / "request.json").read_text())
    sent = pd.DataFrame({tensor["name"]: tensor["data"] for tensor in request["inputs"]})
    frame = frame_of(shop)
    trained = model.train(model.features(frame), frame["bought"])
    chances = trained.predict_proba(model.features(sent))[:, 1]
    assert chances[0] > 0.5 > chances[1]
    assert trained.predict_proba(model.features(pd.DataFrame({"channel": [None]}))).shape == (1, 2)


def test_every_day_meets_the_expectations(shop: Path) -> None:
    gx = pytest.importorskip("great_expectations")
    context: Any = gx.get_context(mode="ephemeral")
    suite = gx.ExpectationSuite(**json.loads((shop / "expectations.json").read_text()))
    batches = (
        context.data_sources.add_pandas("shop").add_dataframe_asset("day").add_batch_definition_whole_dataframe("day")
    )
    for path in sorted((shop / "data").glob("*.csv"))[::15]:
        assert batches.get_batch({"dataframe": pd.read_csv(path)}).validate(suite).success, path.name
