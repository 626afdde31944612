"""A month of the demo, as `make demo` runs it: compiled pipeline, MLflow, HTTP, faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
FLIGHTS = Path(__file__).parents[2] / "examples" / "flights" / "loop.yaml"


def test_a_month_of_flights_ends_with_results_and_a_report(tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "tidemill"), "replay", str(FLIGHTS), "--world", "flights.world:FlightsYear",
        "--out", "out", "--days", "31",
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert set(results["policies"]) == {"tidemill", "never", "weekly", "weekly_rollout"}
    assert len(results["policies"]["tidemill"]["daily"]) == 31
    assert results["corrupted_days"]["trained_on"] == 0
    assert results["policies"]["weekly"]["trainings"] >= 4
    assert results["policies"]["tidemill"]["log_loss"] < 0.55
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
