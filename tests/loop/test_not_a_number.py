"""What the log says of predictions becomes evidence: a score that is not a number is a failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_world import Small
from tidemill.decisions.verdict import Reason
from tidemill.loop.model import ModelVersion
from tidemill.loop.operation import close_operation, operational_blocks
from tidemill.loop.pairs import kind
from tidemill.loop.tick import tick
from tried_versions import DAY, FIRST, HOUR, MINUTE, ask, label, rollout, row, tried

NAN, INF = float("nan"), float("inf")
KEYS = [f"k{n}" for n in range(40)]


@pytest.fixture
def it(tmp_path: Path) -> Small:
    """A shadow since FIRST, in a loop that knows when its labels come."""
    it = tried(tmp_path)
    it.plane._models = {"1": object(), "2": object()}
    it.registry.get = lambda name, version: ModelVersion(version, "memory:", "", "")  # type: ignore[method-assign]
    for n in range(3):
        arrival = {"id": f"2024-02-0{n + 1}", "due": 40, "share": 0.9, "ages": {"0": 3600.0, "1": 3600.0}}
        it.context.state.put("small", "arrival", arrival["id"], arrival)
    return it


@pytest.mark.parametrize("wrong", [{"score": NAN}, {"raw": NAN}, {"score": INF}, {"raw": -INF}])
def test_a_score_that_is_not_a_number_is_counted_as_failed(it: Small, wrong: dict[str, float]) -> None:
    ask(it, KEYS[:30], FIRST + MINUTE)
    ask(it, KEYS[30:], FIRST + 2 * MINUTE, **wrong)
    close_operation(it.context, rollout(it), FIRST + 6 * MINUTE)
    (block,) = operational_blocks(it.context, rollout(it))
    assert (block.tried.keys, block.tried.failed, block.beside.failed) == (40, 10, 0)
    assert block.mirrored.challenger_failed == 10


def test_a_challenger_that_answers_with_no_numbers_is_aborted(it: Small) -> None:
    for minute in range(1, 11):
        ask(it, [f"{minute}-{n}" for n in range(10)], FIRST + minute * MINUTE, score=NAN, raw=NAN)
    tick(it.context, FIRST + 6 * MINUTE)
    tick(it.context, FIRST + 11 * MINUTE)
    assert (rollout(it).status, rollout(it).reason) == ("aborted", Reason.WORSE)


def test_no_step_of_a_tick_fails_on_a_score_that_is_not_a_number(it: Small) -> None:
    many = [f"{n}" for n in range(240)]  # a correction is fitted on as many
    ask(it, many, FIRST + HOUR)
    ask(it, ["theirs"], FIRST + HOUR, score=NAN, raw=NAN)
    it.context.ports.log.append(
        [row("mine", FIRST + HOUR, score=NAN, raw=NAN), row("mine", FIRST + HOUR, "2", "shadow")]
    )
    label(it, [*many, "theirs", "mine"], FIRST + 2 * HOUR)
    report = tick(it.context, FIRST + DAY + 7 * HOUR)
    assert report.failures == ()
    (day,) = it.context.state.documents("small", "block")
    (block,) = it.context.state.documents("small", kind(rollout(it)))
    assert (day["due"], day["versions"]["1"]["n"], day["versions"]["2"]["n"], block["n"]) == (241, 241, 241, 240)
    json.dumps([day, block, rollout(it).stored()], allow_nan=False)


def test_numbers_of_other_rows_stay_as_they_are_logged(it: Small) -> None:
    ask(it, ["a", "b"], FIRST + HOUR, failed=["b"])
    it.context.ports.log.append([row("c", FIRST + HOUR, status="timeout", score=None, raw=None)])
    logged = it.context.evidence.answers(FIRST, FIRST + DAY)
    found = {(one.key, one.version): one.status for one in logged.itertuples()}
    assert found == {
        ("a", "1"): "ok", ("a", "2"): "ok", ("b", "1"): "ok", ("b", "2"): "error", ("c", "1"): "timeout"
    }  # fmt: skip
