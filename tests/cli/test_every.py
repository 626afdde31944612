"""The pause between two ticks."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tidemill.cli.every import seconds
from tidemill.cli.main import cli


@pytest.mark.parametrize(("every", "pause"), [("60s", 60.0), ("1m30s", 90.0), ("250ms", 0.25)])
def test_a_duration_is_a_pause(every: str, pause: float) -> None:
    assert seconds(every) == pause


@pytest.mark.parametrize("every", ["0s", "0.0m", "0h0s", "0.0001s"])
def test_no_pause_at_all_is_refused(every: str) -> None:
    with pytest.raises(click.BadParameter, match="longer than nothing"):
        seconds(every)


@pytest.mark.parametrize("every", ["1..5s", "often", "5"])
def test_what_is_no_duration_is_refused(every: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a duration"):
        seconds(every)


def test_the_controller_does_not_start_with_no_pause(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["controller", "--profile", str(tmp_path / "profile.yaml"), "--every", "0s"])
    assert done.exit_code == 2
    assert "--every" in done.output
    assert "longer than nothing" in done.output
