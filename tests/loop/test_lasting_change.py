"""A lasting change of the world is one incident and one question, and blinds nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_world import Small, SmallWorld, deliver, events, model_loop, small
from tidemill.decisions.verdict import Reason
from tidemill.loop.admission import admit_arrivals
from tidemill.loop.asking import ask
from tidemill.loop.documents.incident import stored_incidents
from tidemill.loop.errors import NothingToDo
from tidemill.loop.requests import handle_requests
from tidemill.loop.signals import raise_signals
from tidemill.loop.standing import standing

CHAMPION = {
    "version": "1",
    "excess": 0.0,
    "since": "2020-01-01T00:00:00+00:00",
    "first_since": "2020-01-01T00:00:00+00:00",
    "reason": "Bootstrap",
    "previous": None,
    "baseline": "2",
    "turn": "t",
}
FIRST = date(2020, 1, 1)
CHANGE = 35


@pytest.fixture
def it(tmp_path: Path) -> Small:
    loop = model_loop(triggers={"drift": {"falseAlarms": "1/y", "action": "alert"}})
    made = small(tmp_path, SmallWorld(rows=60), loop)
    made.context.state.put("small", "champion", "current", CHAMPION)
    made.context.state.put("small", "loop", "self", {"since": "2020-01-01T00:00:00+00:00", "spec": {}})
    return made


def day(n: int) -> date:
    return FIRST + timedelta(days=n)


def live(it: Small, first: int, last: int, moved: float = 0.0, **columns: Any) -> list[dict[str, Any]]:
    """Days `first` to `last` arrive, each judged on its morning; z is moved by as much."""
    for n in range(first, last + 1):
        rows = it.world.delivered(day(n))
        deliver(Path(it.context.project) / "data", day(n), rows.assign(z=rows["z"] + moved, **columns))
        it.clock.time = datetime.combine(day(n + 1), datetime.min.time(), UTC) + timedelta(hours=6)
        handle_requests(it.context, it.clock.now())
        admit_arrivals(it.context, it.clock.now())
        raise_signals(it.context, it.clock.now())
    return it.context.state.documents("small", "partition")


def held(documents: list[dict[str, Any]]) -> int:
    return sum(document["reason"] == Reason.UNLIKE_HISTORY for document in documents)


def test_it_is_one_incident_one_question_one_alarm_and_no_event_a_day(it: Small) -> None:
    live(it, 0, CHANGE - 1)
    before = len(events(it.context, "partition.quarantined"))
    documents = live(it, CHANGE, CHANGE + 19, moved=5.0)
    assert [d["status"] for d in documents[CHANGE:]] == ["quarantined"] * 20
    (incident,) = [i for i in stored_incidents(it.context.state, "small") if i.state == "open"]
    assert (incident.since, incident.partitions, incident.columns[0]) == (f"{day(CHANGE)}", 20, "z")
    assert len(events(it.context, "partition.quarantined")) - before == 2
    (asked,) = [e for e in events(it.context, "incident.opened") if e["evidence"]["since"] == incident.since]
    assert f"tidemill admit --since {day(CHANGE)}" in asked["message"]
    alarms = [e for e in events(it.context, "drift.alert") if e["evidence"]["until"] >= f"{day(CHANGE)}"]
    assert len(alarms) == 1
    assert alarms[0]["evidence"]["until"] <= f"{day(CHANGE + 2)}"
    (shown,) = standing(it.context.state, "small", 0, it.clock.now())["incidents"]
    assert shown["question"].startswith("20 partitions since")


def test_from_the_answer_on_it_is_history(it: Small) -> None:
    live(it, 0, CHANGE - 1)
    live(it, CHANGE, CHANGE + 4, moved=5.0)
    ask(it.context.state, "small", "admit", "ann", "new meter", it.clock.now(), since=f"{day(CHANGE)}")
    documents = live(it, CHANGE + 5, CHANGE + 14, moved=5.0)
    assert [d["reason"] for d in documents[CHANGE : CHANGE + 5]] == [Reason.APPROVED] * 5
    assert held(documents[CHANGE + 5 :]) == 0
    (incident,) = stored_incidents(it.context.state, "small")
    assert (incident.state, incident.answer) == ("answered", "by ann: new meter")
    assert len(events(it.context, "incident.answered")) == 1
    assert standing(it.context.state, "small", 0, it.clock.now())["incidents"] == []


def test_a_change_that_goes_by_itself_is_over(it: Small) -> None:
    live(it, 0, CHANGE - 1)
    live(it, CHANGE, CHANGE + 3, moved=5.0)
    live(it, CHANGE + 4, CHANGE + 8)
    (incident,) = stored_incidents(it.context.state, "small")
    assert (incident.state, incident.partitions) == ("over", 4)
    assert len(events(it.context, "incident.over")) == 1


def test_another_fault_during_the_change_is_told(it: Small) -> None:
    live(it, 0, CHANGE - 1)
    live(it, CHANGE, CHANGE + 3, moved=5.0)
    told = len(events(it.context, "partition.quarantined"))
    live(it, CHANGE + 4, CHANGE + 4, x=None)
    assert len(events(it.context, "partition.quarantined")) == told + 1


def test_a_second_change_within_it_joins_the_question_and_has_one_line_in_the_ledger(it: Small) -> None:
    live(it, 0, CHANGE - 1)
    live(it, CHANGE, CHANGE + 3, moved=5.0)
    live(it, CHANGE + 4, CHANGE + 9, moved=5.0, x=7.0)
    (incident,) = [i for i in stored_incidents(it.context.state, "small") if i.state == "open"]
    assert (incident.columns[0], incident.joined) == ("z", {"x": f"{day(CHANGE + 4)}"})
    (told,) = events(it.context, "incident.widened")
    assert f"z, and since {day(CHANGE + 4)} in x, too" in told["message"]
    (shown,) = standing(it.context.state, "small", 0, it.clock.now())["incidents"]
    assert f"and since {day(CHANGE + 4)} in x, too" in shown["question"]


def test_a_second_change_after_it_is_an_incident_of_its_own(it: Small) -> None:
    live(it, 0, CHANGE - 1)
    live(it, CHANGE, CHANGE + 3, moved=5.0)
    live(it, CHANGE + 4, CHANGE + 9, x=7.0)
    first, second = stored_incidents(it.context.state, "small")
    assert (first.state, first.columns[0], first.partitions) == ("over", "z", 4)
    assert (second.state, second.since, second.columns[0]) == ("open", f"{day(CHANGE + 4)}", "x")
    (asked,) = [e for e in events(it.context, "incident.opened") if e["evidence"]["since"] == second.since]
    assert f"tidemill admit --since {day(CHANGE + 4)}" in asked["message"]


def test_what_is_looked_at_twice_is_written_once(it: Small) -> None:
    live(it, 0, CHANGE - 1)
    live(it, CHANGE, CHANGE + 3, moved=5.0)
    ledger, stored = it.context.state.ledger("small"), it.context.state.documents("small", "incident")
    admit_arrivals(it.context, it.clock.now())
    raise_signals(it.context, it.clock.now())
    assert it.context.state.ledger("small") == ledger
    assert it.context.state.documents("small", "incident") == stored


def test_since_admits_what_is_only_unlike_history(it: Small) -> None:
    live(it, 0, CHANGE - 1)
    live(it, CHANGE, CHANGE, moved=5.0)
    data = Path(it.context.project) / "data"
    deliver(data, day(CHANGE + 1), pd.DataFrame({"id": []}))
    it.clock.time += timedelta(days=1)
    admit_arrivals(it.context, it.clock.now())
    ask(it.context.state, "small", "admit", "ann", "", it.clock.now(), since=f"{day(CHANGE)}")
    handle_requests(it.context, it.clock.now())
    documents = it.context.state.documents("small", "partition")
    assert [d["reason"] for d in documents[CHANGE:]] == [Reason.APPROVED, Reason.EMPTY]
    with pytest.raises(NothingToDo, match="unlike history alone"):
        ask(it.context.state, "small", "admit", "ann", "", it.clock.now(), since=f"{day(CHANGE)}")
