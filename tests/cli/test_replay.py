"""What a replay refuses, it refuses before an earlier one's results are gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tidemill.cli.main import cli

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights" / "loop.yaml"


@pytest.mark.parametrize("world", ["flights.world:Nope", "flights.nope:FlightsYear", "flights.world"])
def test_a_world_that_does_not_import_costs_nothing(world: str, tmp_path: Path) -> None:
    kept = tmp_path / "run" / "tidemill" / "state.db"
    kept.parent.mkdir(parents=True)
    kept.write_text("an earlier run")
    ran = CliRunner().invoke(cli, ["replay", str(FLIGHTS), "--world", world, "--out", str(tmp_path)])
    assert ran.exit_code == 2, ran.output
    assert f"--world {world}" in ran.output
    assert "module:Class" in ran.output
    assert kept.read_text() == "an earlier run"


def test_what_is_no_world_is_told_what_a_world_has(tmp_path: Path) -> None:
    ran = CliRunner().invoke(cli, ["replay", str(FLIGHTS), "--world", "json:JSONDecoder", "--out", str(tmp_path)])
    assert ran.exit_code == 2, ran.output
    assert "--world json:JSONDecoder has no start, no live_from, no end, no delivered" in ran.output
    assert "delivered(day), labels(now, since), truth(day), faults()" in ran.output
