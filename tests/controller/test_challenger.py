"""What the condition of a ModelRollout says of a challenger."""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.controller.challenger import ready_of

STEP = {"index": 0, "canary": 0.1, "started_at": "2026-01-01T00:00:00+00:00"}


def rollout(*metrics: dict[str, Any], **changed: Any) -> dict[str, Any]:
    made = {"challenger": "3", "status": "running", "reason": "GatheringEvidence", "steps": [STEP]}
    return {**made, "evidence": {"metrics": list(metrics)}, **changed}


def metric(name: str, difference: float | None, n: int = 400) -> dict[str, Any]:
    return {"metric": name, "margin": 0.005, "n": n, "difference": difference}


def test_a_challenger_that_fails_its_requests_is_not_ready() -> None:
    fact = ready_of(rollout(metric("log_loss", None, 0), metric("error_rate", 0.98)))
    assert (fact.status, fact.reason) == ("False", "Fails")
    assert (
        fact.message
        == "Version 3 is loaded and fails: error_rate 0.98 above the champion's (400 requests, margin 0.005)."
    )


def test_one_that_answers_says_how() -> None:
    fact = ready_of(rollout(metric("log_loss", -0.002), metric("error_rate", 0.01), metric("latency", 0.0)))
    assert (fact.status, fact.reason) == ("True", "Answers")
    for part in ("log_loss 0.002 below", "error_rate 0.01 above", "latency as the champion's"):
        assert part in fact.message


def test_a_loss_that_grows_is_no_failure_to_answer() -> None:
    assert ready_of(rollout(metric("log_loss", 0.9))).status == "True"


@pytest.mark.parametrize("evidence", [None, {}, {"metrics": []}, {"metrics": [metric("error_rate", None, 0)]}])
def test_without_figures_it_claims_nothing_of_its_answers(evidence: dict[str, Any] | None) -> None:
    fact = ready_of(rollout(evidence=evidence))
    assert (fact.status, "no figures" in fact.message) == ("True", True)


def test_one_that_is_being_made_ready_says_what_it_waits_for() -> None:
    fact = ready_of(rollout(reason="NotReady", message="its Pod is starting"))
    assert (fact.status, fact.reason, fact.message) == ("False", "NotReady", "its Pod is starting")
    assert ready_of(rollout(steps=[])).status == "False"


def test_a_rollout_that_is_over_says_why() -> None:
    fact = ready_of(rollout(metric("error_rate", 1.0), status="aborted", reason="Worse"))
    assert (fact.status, fact.reason) == ("False", "Worse")
