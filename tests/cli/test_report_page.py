"""The report: every figure is on it, nothing is loaded from anywhere, and a real browser shows it without complaint."""

from __future__ import annotations

import copy
import math
import re
import shutil
from datetime import date, timedelta
from typing import Any

import pytest
from tidemill.cli.report_page import render, words
from tidemill.cli.report_page.lanes import rows

START, END = date(2013, 3, 1), date(2013, 12, 31)
DAYS = [START + timedelta(days=n) for n in range((END - START).days + 1)]


def _daily(level: float, gain: float) -> list[dict[str, Any]]:
    weather = [0.09 * math.sin(n / 3.1) + 0.06 * math.sin(n / 11.0 + 1) for n in range(len(DAYS))]
    return [
        {
            "day": day.isoformat(),
            "n": 880 + n % 90,
            "loss": level + weather[n] - gain * (min(1, n / 150) + 0.3 * math.sin(n * gain)),
        }
        for n, day in enumerate(DAYS)
    ]


def _policy(title: str, loss: float, trainings: int, **rest: Any) -> dict[str, Any]:
    gain = 0.001 * len(title) + 0.02 if trainings else 0.0  # so that no two lines hide each other
    saw = f"{title} saw every day."
    counts = {"trainings": trainings, "promotions": trainings, "sabotaged_promoted": 0, "corrupted_days_trained_on": 0}
    return {"title": title, "log_loss": loss, "daily": _daily(0.515, gain), "saw": saw, **counts, **rest}


def _fault(day: str, kind: str, caught: bool) -> dict[str, Any]:
    why = {"reason": "ExpectationFailed", "message": "hour: 205 of 770"} if caught else {"reason": None, "message": ""}
    return {"day": day, "kind": kind, "description": f"something about {kind} & <more>", "caught": caught, **why}


def _rollout(challenger: str, started: str, ended: str | None, verdict: str, **rest: Any) -> dict[str, Any]:
    steps = [{"from": started, "shadow": 1.0}, {"from": started, "canary": 0.1, "outcomes": 220}]
    said = {"verdict": verdict, "message": f"Loss of version {challenger}: gap -.0081, e-value 31."}
    return {"challenger": challenger, "started": started, "ended": ended, "steps": steps, **said, **rest}


@pytest.fixture
def results() -> dict[str, Any]:
    turns = ["2013-03-20", "2013-04-20", "2013-05-21", "2013-06-25", "2013-08-10", "2013-10-12"]
    return {
        "loop": "flight-delay",
        "generated_at": "2026-11-21T10:02:11+00:00",
        "period": {"start": START.isoformat(), "end": END.isoformat()},
        "policies": {
            "weekly_rollout": _policy("Weekly, through rollouts", 0.4911, 43),
            "tidemill": _policy("This loop", 0.48731, 7),
            "never": _policy("Never again", 0.51920, 0),
            "weekly": _policy("Weekly, at once", 0.4899, 44, sabotaged=2, sabotaged_promoted=2,
                              corrupted_days_trained_on=8),
        },
        "corrupted_days": {"injected": 8, "caught": 7, "trained_on": 1},
        "clean_days": {"total": 298, "held_back": 3},
        "sabotaged": {"injected": 2, "promoted": 0},
        "faults": [
            _fault("2013-03-16", "unit change", True),
            _fault("2013-04-13", "shifted clock", True),
            _fault("2013-07-08", "stuck sensor", False),
        ],
        "events": [
            {"day": day.isoformat(), "event": "partition.admitted", "reason": "Admitted", "message": "ok"}
            for day in DAYS
        ]
        + [
            {"day": day, "event": "turn.started", "reason": "NewData", "message": "grew by 25%", "version": str(n + 2)}
            for n, day in enumerate(turns)
        ],
        "champions": [
            {"version": "1", "from": "2013-03-01", "to": "2013-03-28"},
            {"version": "2", "from": "2013-03-28", "to": "2013-05-30"},
            {"version": "5", "from": "2013-05-30", "to": "2013-08-18"},
            {"version": "7", "from": "2013-08-18", "to": None},
        ],
        "rollouts": [
            _rollout("2", "2013-03-21", "2013-03-28", "Promoted"),
            _rollout("3", "2013-04-20", "2013-04-24", "Aborted", sabotaged=True),
            _rollout("5", "2013-05-22", "2013-05-30", "Promoted"),
            _rollout("7", "2013-08-10", "2013-08-18", "Promoted"),
            _rollout("8", "2013-12-20", None, "GatheringEvidence"),
        ],
        "signals": [{"day": day, "kind": "NewData", "message": "grew by 25%"} for day in turns]
        + [
            {"day": "2013-04-18", "kind": "Drift", "message": "temp moved"},
            {"day": "2013-06-20", "kind": "Performance", "message": "loss above its promise"},
        ],
        "quarantines": [
            {"day": day, "reason": "ExpectationFailed", "message": "no"}
            for day in ("2013-03-16", "2013-04-13", "2013-12-31")
        ],
        "calibrators": [
            {"day": day.isoformat(), "version": "1" if n < 27 else "2" if n < 90 else "5" if n < 170 else "7",
             "intercept": 0.4 * math.sin(n / 20), "slope": 1 + 0.2 * math.sin(n / 33), "serving": n % 90 > 20}
            for n, day in enumerate(DAYS)
        ],
        "timings": {"total_s": 171.22, "turns": {"count": 7, "median_s": 6.1}},
        "environment": {"python": "3.11.9", "seed": 13, "versions": {"mlflow": "3.17.0", "kfp": "2.17.0"}},
        "loop_file": "kind: ModelLoop\nspec:\n  window: {train: all}  # domain: seasons come back\n",
    }  # fmt: skip


EMPTY: dict[str, Any] = {
    "loop": "flight-delay",
    "generated_at": "",
    "period": {"start": "2013-03-01", "end": "2013-03-01"},
    **{key: {} for key in ("policies", "corrupted_days", "clean_days", "sabotaged", "timings", "environment")},
    **{key: [] for key in ("faults", "events", "champions", "rollouts", "signals", "quarantines", "calibrators")},
}


def test_every_figure_of_the_results_is_on_the_page(results: dict[str, Any]) -> None:
    page = render(results)
    for figure in (
        ".4873",
        ".5192",
        ".4899",
        ".4911",
        "−.0319",
        "7 of 8",
        "3 of 298",
        "0 of 2",
        "1.0 %",
        "mlflow",
        "3.17.0",
    ):
        assert figure in page, figure
    for title in ("This loop", "Never again", "Weekly, at once", "Weekly, through rollouts"):
        assert title in page


def test_the_headline_says_what_was_won_and_at_what_price(results: dict[str, Any]) -> None:
    headline = words.headline(results)
    assert ".0319 better than never training again" in headline
    assert ".0026 better than training weekly and going live at once (44 trainings)" in headline
    assert "7 of 8 corrupted days" in headline
    assert "Of 2 sabotaged challengers it promoted 0." in headline


def test_a_step_is_read_out_with_its_share_first() -> None:
    assert (
        words.step({"from": "2013-03-21", "canary": 0.1, "outcomes": 220})
        == "canary 10%, from 2013-03-21, outcomes 220"
    )


def test_a_loss_is_called_a_loss(results: dict[str, Any]) -> None:
    results["policies"]["tidemill"]["log_loss"] = 0.6
    assert ".0808 worse than never training again" in words.headline(results)


def test_the_page_loads_nothing_and_runs_nothing(results: dict[str, Any]) -> None:
    page = render(results)
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)[^"']+""", page)
    assert not re.findall(r"url\((?!#)|@import", page)


def test_texts_from_outside_are_escaped(results: dict[str, Any]) -> None:
    results["faults"][0]["message"] = "<img src=x onerror=alert(1)>"
    results["policies"]["never"]["title"] = "<b>never</b>"
    page = render(results)
    assert "<img" not in page
    assert "<b>never</b>" not in page


def test_ids_are_unique_though_two_figures_share_the_page(results: dict[str, Any]) -> None:
    ids = re.findall(r'\bid="([^"]+)"', render(results))
    assert len(ids) == len(set(ids))


def test_the_same_results_give_the_same_page(results: dict[str, Any]) -> None:
    assert render(results) == render(copy.deepcopy(results))


def test_each_empty_section_says_that_it_is_empty() -> None:
    page = render(EMPTY)
    assert page.count('class="empty"') >= 7
    assert "<svg" not in page


def test_a_policy_that_was_not_replayed_is_left_out(results: dict[str, Any]) -> None:
    results["policies"] = {"tidemill": results["policies"]["tidemill"]}
    page = render(results)
    assert "training weekly" not in page
    assert "<svg" in page


def test_days_without_outcomes_leave_a_gap_not_an_error(results: dict[str, Any]) -> None:
    daily = results["policies"]["tidemill"]["daily"]
    daily[3] = {**daily[3], "n": 0, "loss": float("nan")}
    daily[4] = {**daily[4], "n": 0, "loss": None}
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", render(results), flags=re.DOTALL).lower().split()


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [(0.48731, 4, False, ".4873"), (-0.03189, 4, True, "−.0319"), (283118, 0, False, "283,118"), (None, 4, False, "–"),
     (float("nan"), 4, False, "–"), (1.25, 2, True, "+1.25"), (-0.00001, 4, True, ".0000"), (0, 0, False, "0")],
)  # fmt: skip
def test_a_number_is_short_and_a_missing_one_is_a_dash(value: Any, digits: int, signed: bool, text: str) -> None:
    assert words.number(value, digits, signed) == text


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("case", ["full", "empty"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_it_without_complaint_and_without_scrolling_sideways(
    case: str, width: int, results: dict[str, Any], tmp_path: Any
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "report.html"
    path.write_text(render(results if case == "full" else EMPTY), encoding="utf-8")
    complaints: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.screenshot(path=str(tmp_path / "report.png"), full_page=True)
        browser.close()
    assert complaints == []
    assert overflow == 0


def test_a_calibrator_serves_until_the_next_is_fitted(results: dict[str, Any]) -> None:
    """On a night without new outcomes none is."""
    fits = [
        ("2013-03-02", False),
        ("2013-03-04", True),
        ("2013-03-08", True),
        ("2013-03-10", False),
        ("2013-12-30", True),
    ]
    calibrators = [{"day": day, "version": "1", "intercept": 0.1, "slope": 1.0, "serving": on} for day, on in fits]
    (lane,) = (row for row in rows({**results, "calibrators": calibrators}) if row.name == "calibrator serves")
    assert [(bar.first.isoformat(), bar.last.isoformat()) for bar in lane.bars] == [
        ("2013-03-04", "2013-03-09"),
        ("2013-12-30", "2013-12-31"),
    ]
