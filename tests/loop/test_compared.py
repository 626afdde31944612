"""Keys that come back: one label is one outcome, on the day on which its key first came in the rollout."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_world import Small
from tidemill.loop.compared import Earlier
from tidemill.loop.documents.blocks import PairDocument
from tidemill.loop.model import ModelVersion
from tidemill.loop.pairs import dependence, kind
from tidemill.loop.tick import tick
from tried_versions import DAY, FIRST, HOUR, MINUTE, ask, label, rollout, row, tried

DATA = {
    "source": {"parquet": "data/"},
    "key": "id",
    "eventTime": "at",
    "label": {"column": "y", "arrivesAfter": "6h", "giveUpAfter": "30d", "coverage": 0.9},
    "gate": {"falseAlarms": "1%", "minHistory": 20},
}
KEYS = [f"customer-{number}" for number in range(40)]


@pytest.fixture
def it(tmp_path: Path) -> Small:
    """A shadow since FIRST, in a loop whose labels all come."""
    rules = {
        "steps": [{"shadow": "100%", "minOutcomes": 40}],
        "judge": {"metrics": [{"metric": "log_loss", "margin": 0.05}]},
    }
    it = tried(tmp_path, rollout=rules, data=DATA)
    it.plane._models = {"1": object(), "2": object()}
    it.registry.get = lambda name, version: ModelVersion(version, "memory:", "", "")  # type: ignore[method-assign]
    return it


def closed(it: Small) -> dict[str, PairDocument]:
    found = [PairDocument.read(stored) for stored in it.context.state.documents("small", kind(rollout(it)))]
    return {block.id: block for block in found}


def came(it: Small, days: int, **challenger: float) -> None:
    """The same customers are scored on each day; their one label comes after the last."""
    for day in range(days):
        ask(it, KEYS, FIRST + day * DAY + 12 * HOUR, **challenger)
    label(it, KEYS, FIRST + days * DAY)
    tick(it.context, FIRST + days * DAY + 7 * HOUR)


def test_a_key_counts_on_the_day_on_which_it_first_came(it: Small) -> None:
    ask(it, ["new"], FIRST + 2 * DAY + HOUR)
    label(it, ["new"], FIRST + 3 * DAY)
    came(it, days=3)
    assert [(block.due, block.n, block.repeated) for block in closed(it).values()] == [
        (40, 40, 0),
        (40, 0, 40),
        (41, 1, 40),
    ]
    assert "no test counts the 80 outcomes of keys that came on an earlier day" in rollout(it).message
    assert rollout(it).evidence["outcomes_of_earlier_keys"] == 80


def test_one_label_of_customers_that_return_is_no_evidence_of_many_days(it: Small) -> None:
    came(it, days=14, score=0.4)
    assert closed(it)["2024-03-01T00"].differences["log_loss"] == pytest.approx(np.log(0.5 / 0.4))
    assert rollout(it).status == "running", "of one unlucky day"
    assert rollout(it).evidence["metrics"][0]["blocks"] == 1


def test_new_customers_who_lose_as_much_each_day_end_the_rollout(it: Small) -> None:
    for day in range(14):
        keys = [f"{day}-{key}" for key in KEYS]
        ask(it, keys, FIRST + day * DAY + 12 * HOUR, score=0.4)
        label(it, keys, FIRST + 14 * DAY)
    tick(it.context, FIRST + 14 * DAY + 7 * HOUR)
    assert rollout(it).status == "aborted"


def test_blocks_of_hours_count_a_key_of_an_earlier_day_no_more_than_days_do(it: Small) -> None:
    hours = rollout(it).model_copy(update={"block_hours": 1})
    it.context.state.put("small", "rollout", "r", hours.stored())
    came(it, days=2)
    blocks = {id: (block.n, block.repeated) for id, block in closed(it).items() if block.due}
    assert blocks == {"2024-03-01T12": (40, 0), "2024-03-02T12": (0, 40)}


def test_a_key_that_was_not_compared_has_not_come(it: Small) -> None:
    ask(it, KEYS, FIRST + HOUR, failed=KEYS[:10])
    it.context.ports.log.append(
        [row("early", FIRST - HOUR, event_time=FIRST), row("early", FIRST - HOUR, "2", "shadow", event_time=FIRST)]
    )
    ask(it, [*KEYS, "early"], FIRST + DAY + HOUR)
    label(it, [*KEYS, "early"], FIRST + 2 * DAY)
    tick(it.context, FIRST + 2 * DAY + 7 * HOUR)
    assert [(block.n, block.repeated) for block in closed(it).values()] == [(30, 0), (11, 30)]


def test_a_key_that_comes_back_with_another_value_is_left_out_too(it: Small) -> None:
    named = rollout(it).model_copy(update={"unit": "session"})
    it.context.state.put("small", "rollout", "r", named.stored())
    ask(it, KEYS, FIRST + HOUR, unit="a")
    ask(it, [*KEYS, "new"], FIRST + DAY + HOUR, unit="b")
    label(it, [*KEYS, "new"], FIRST + 2 * DAY)
    tick(it.context, FIRST + 2 * DAY + 7 * HOUR)
    found = [(block.n, block.units, block.returned, block.repeated) for block in closed(it).values()]
    assert found == [(40, 1, 0, 0), (1, 1, 0, 40)]


def answered(it: Small, of_day: bool) -> None:
    """Two weeks of the champion's answers: 200 customers, new ones each day or the same."""
    rng = np.random.default_rng(5)
    score = rng.uniform(0.1, 0.9, 200)
    truth = (rng.random((14, 200)) < score).astype(float)
    for day in range(14):
        start = FIRST - (14 - day) * DAY
        keys = [f"{day if of_day else ''}-{number}" for number in range(200)]
        minutes = [start + timedelta(minutes=7 * number) for number in range(200)]
        it.context.ports.log.append(
            [row(key, at, score=float(p)) for key, at, p in zip(keys, minutes, score, strict=True)]
        )
        for value in (0.0, 1.0):
            label(it, [key for key, y in zip(keys, truth[day], strict=True) if y == value], FIRST, value)
        document = {
            "version": 2,
            "id": f"{start:%Y-%m-%d}",
            "closed_at": FIRST.isoformat(),
            "served": {"n": 200},
            "versions": {},
        }
        it.context.state.put("small", "block", document["id"], document)


@pytest.mark.parametrize(("of_day", "hours"), [(True, 1), (False, 24)])
def test_customers_that_return_make_no_short_blocks(it: Small, of_day: bool, hours: int) -> None:
    answered(it, of_day)
    assert dependence(it.context, FIRST + HOUR).hours == hours


def test_a_day_that_is_over_is_read_once_in_all_ticks(it: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    came(it, days=3)
    read: list[datetime] = []
    scored = it.context.evidence.scored
    monkeypatch.setattr(it.context.evidence, "scored", lambda start, end: (read.append(start), scored(start, end))[1])
    keys = pd.Series(KEYS)
    for hours in (3, 4):
        assert Earlier(it.context, rollout(it), FIRST + 3 * DAY + hours * HOUR).has(keys, FIRST + 3 * DAY).all()
    assert read == [FIRST + 2 * DAY], "the days before it in the tick, and none twice"


def test_a_day_is_read_again_while_its_predictions_may_come_late(it: Small) -> None:
    def has(now: datetime) -> list[bool]:
        return list(Earlier(it.context, rollout(it), now).has(pd.Series(["late"]), FIRST + DAY))

    assert has(FIRST + DAY + HOUR) == [False]
    ask(it, ["late"], FIRST + 23 * HOUR)
    assert has(FIRST + DAY + 90 * MINUTE) == [True]


def test_what_a_clock_that_ran_ahead_had_read_is_forgotten(it: Small) -> None:
    def has(now: datetime) -> list[bool]:
        return list(Earlier(it.context, rollout(it), now).has(pd.Series(["k"]), FIRST + 5 * DAY))

    assert has(FIRST + 9 * DAY) == [False]
    assert has(FIRST + HOUR) == [False], "the clock is put back"
    ask(it, ["k"], FIRST + 3 * DAY)
    assert has(FIRST + 9 * DAY) == [True]
