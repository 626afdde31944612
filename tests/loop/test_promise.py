"""What a model promised at evaluation reaches the champion that is measured against it, with its error."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from small_world import events, model_loop, small
from tidemill.decisions.verdict import Reason
from tidemill.loop.asking import ask
from tidemill.loop.promise import noise, promised, recorded
from tidemill.loop.signals import raise_signals
from tidemill.loop.tick import tick
from tidemill.stats.daily import UNKNOWN, Noise


def test_an_error_that_is_known_goes_through_a_document_and_back() -> None:
    document = recorded(0.02, Noise(0.01, 7))
    assert document == promised(document)
    assert noise(document) == Noise(0.01, 7)
    assert recorded(0.02, UNKNOWN)["excess_error"] is None
    assert noise(recorded(0.02, UNKNOWN)) == UNKNOWN


def test_a_document_of_an_earlier_release_has_a_promise_whose_error_is_not_known() -> None:
    assert promised({"version": "3", "excess": 0.02}) == {"excess": 0.02, "excess_error": None, "excess_days": 0}
    assert noise({"excess": 0.02}) == UNKNOWN
    assert promised({}) == {"excess": 0.0, "excess_error": None, "excess_days": 0}


def test_the_champion_has_the_promise_of_its_evaluation_and_a_rollback_brings_it_back(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    state = it.context.state
    first = state.get("small", "champion", "current")
    assert first is not None
    assert first["excess_days"] > 1
    assert 0 < first["excess_error"] < 0.1
    for _, _day in zip(range(59), it.replay.days(), strict=False):
        pass
    second = state.get("small", "champion", "current")
    assert second is not None
    assert second["version"] != first["version"]
    assert second["excess_error"] != first["excess_error"]
    ask(state, "small", "rollback", "ann", "", it.clock.now())
    tick(it.context, it.clock.now() + timedelta(minutes=1))
    back = state.get("small", "champion", "current")
    assert back is not None
    assert promised(back) == promised(
        next(r for r in state.documents("small", "reign") if r["version"] == back["version"])
    )
    assert back["version"] == second["previous"]


@pytest.mark.parametrize(("loss", "alarms"), [(0.0, False), (0.3, True)])
def test_the_champion_is_measured_against_its_own_promise_and_days_before_it_raise_no_alarm(
    tmp_path: Path, loss: float, alarms: bool
) -> None:
    it = small(tmp_path, loop=model_loop(triggers={"performance": {"tolerance": 0.01, "falseAlarms": "1/y"}}))
    it.replay.bootstrap()
    state, now = it.context.state, it.clock.now()
    champion = state.get("small", "champion", "current")
    assert champion is not None
    rng = np.random.default_rng(1)
    state.put("small", "reign", "0", {**champion, "version": "0", "since": (now - timedelta(days=90)).isoformat()})
    state.put(
        "small", "champion", "current", {**champion, "excess": 0.1, "since": (now - timedelta(days=40)).isoformat()}
    )
    for age in range(80, 0, -1):
        closed = now - timedelta(days=age)
        version = "0" if age >= 40 else champion["version"]
        own = {"n": 500, "loss": 0.5 + (0.6 if age >= 40 else 0.1 + loss) + rng.normal(0, 0.01), "promised": 0.5}
        block = {"id": f"{closed:%Y-%m-%d}", "closed_at": closed.isoformat(), "versions": {version: own}}
        state.put("small", "block", block["id"], {**block, "served": {"n": 0, "loss": None}, "pairs": {}, "arms": {}})
    raise_signals(it.context, now)
    signals = [signal for signal in state.documents("small", "signal") if signal["kind"] == Reason.PERFORMANCE]
    assert bool(signals) == alarms
    assert bool(events(it.context, "signal.recorded")) == alarms
