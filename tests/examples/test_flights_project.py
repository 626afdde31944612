"""The project's files: the loop is valid and says where its numbers come from; the expectations know airports."""

from __future__ import annotations

import json
from datetime import date, timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from flights.world import FlightsYear
from tidemill.spec.model_loop import ModelLoop


@pytest.fixture(scope="module")
def suite(flights_folder: Path) -> Any:
    gx = pytest.importorskip("great_expectations")
    context = gx.get_context(mode="ephemeral")
    declared = gx.ExpectationSuite(**json.loads((flights_folder / "expectations.json").read_text()))
    asset = context.data_sources.add_pandas("flights").add_dataframe_asset("day")
    batches = asset.add_batch_definition_whole_dataframe("day")
    return lambda frame: batches.get_batch({"dataframe": frame}).validate(declared)


def test_the_loop_is_valid_and_its_entry_points_import(flights_folder: Path) -> None:
    loop = ModelLoop.model_validate(yaml.safe_load((flights_folder / "loop.yaml").read_text()))
    for entry in (loop.spec.model.trainer, loop.spec.model.baseline, loop.spec.model.features):
        module, _, name = str(entry).partition(":")
        assert callable(getattr(import_module(module), name))
    assert loop.spec.data.key in FlightsYear(days=1).delivered(date(2013, 3, 1)).columns


def test_every_threshold_says_where_it_comes_from(flights_folder: Path) -> None:
    sources = ("default", "domain", "Default", "laptop", "busy", "watches")
    lines = (flights_folder / "loop.yaml").read_text().splitlines()
    for before, line in pairwise(lines):
        value, _, comment = line.partition("#")
        if any(letter.isdigit() for letter in value) and "apiVersion" not in value:
            assert any(source in comment or source in before for source in sources), line


def test_clean_days_of_the_history_pass(suite: Any) -> None:
    world = FlightsYear(faults=False)
    for day in (world.start + timedelta(days=6 * n) for n in range(10)):
        assert suite(world.delivered(day)).success, day


def test_most_corrupted_days_fail_by_expectation_alone(suite: Any) -> None:
    world = FlightsYear()
    caught = [not suite(world.delivered(date.fromisoformat(fault["day"]))).success for fault in world.faults()]
    assert sum(caught) >= 6
