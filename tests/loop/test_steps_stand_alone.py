"""Whatever fails around the loop keeps it neither from what people ask for nor from the route."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from small_world import Small, SmallWorld, events, model_loop, small
from tidemill.loop.asking import ask
from tidemill.loop.documents.request import RequestDocument
from tidemill.loop.errors import LeaseHeld, TemporaryError
from tidemill.loop.failures import BACK_OFF
from tidemill.loop.model import Role
from tidemill.loop.tick import tick
from tried_versions import row

MINUTE = timedelta(minutes=1)


def away(*_: Any, **__: Any) -> Any:
    raise TemporaryError("The store does not answer. It is asked again.")


def broken(*_: Any, **__: Any) -> Any:
    raise KeyError("no such thing")


def source_away(it: Small) -> None:
    it.context.ports.source.partitions = away  # type: ignore[method-assign]


def suite_broken(it: Small) -> None:
    it.context.ports.validator.failures = broken  # type: ignore[method-assign]
    (it.context.project / "expectations.json").write_text("{")


def registry_away(it: Small) -> None:
    for call in ("get", "versions", "aliases", "set_alias"):
        setattr(it.registry, call, away)


def labels_away(it: Small) -> None:
    for call in ("known", "count"):
        setattr(it.context.ports.outcomes, call, away)


def log_full(it: Small) -> None:
    for call in ("read", "answers"):
        setattr(it.context.ports.log, call, away)


def pipelines_away(it: Small) -> None:
    for call in ("submit", "status"):
        setattr(it.context.ports.pipelines, call, away)


def ledger_full(it: Small) -> None:
    """What was asked for is there; nothing more can be written."""
    for call in ("put", "put_once", "transact"):
        setattr(it.context.ports.state, call, away)


def poisoned_partition(it: Small) -> None:
    (it.context.project / "data" / "2020-02-20.parquet").write_bytes(b"PAR1 but no table")


def clock_back(it: Small) -> None:
    it.clock.time -= timedelta(days=3)


def clock_leapt(it: Small) -> None:
    """Ahead for one tick, and put right again."""
    tick(it.context, it.clock.now() + timedelta(days=5))


def serving_away(it: Small) -> None:
    it.plane.prepare = away  # type: ignore[method-assign]


def serving_broken(it: Small) -> None:
    it.plane.prepare = broken  # type: ignore[method-assign]


def challenger_away(it: Small) -> None:
    prepare, challenger = it.plane.prepare, answering(it)[Role.CANARY]
    it.plane.prepare = lambda it: away() if it.version == challenger else prepare(it)  # type: ignore[method-assign]


FAULTS: list[Callable[[Small], None]] = [
    source_away, suite_broken, registry_away, labels_away, log_full, pipelines_away, poisoned_partition, clock_back,
    clock_leapt, serving_away, serving_broken, challenger_away,
]  # fmt: skip


def in_canary(folder: Path) -> Small:
    """A loop whose challenger answers half of the keys."""
    steps = [{"canary": "50%", "minOutcomes": 10_000}]
    judge = {"metrics": [{"metric": "log_loss", "margin": 0.05}]}
    it = small(folder, SmallWorld(rows=60), model_loop(rollout={"steps": steps, "judge": judge, "maxDuration": "60d"}))
    it.replay.bootstrap()
    ask(it.context.state, "small", "train", "ann", "", it.clock.now())
    for _, _day in zip(range(2), it.replay.days(), strict=False):
        pass
    assert Role.CANARY in roles(it)
    return it


def roles(it: Small) -> list[Role]:
    return list(answering(it))


def answering(it: Small) -> dict[Role, str]:
    route = it.plane.route("small")
    assert route is not None
    return {arm.role: arm.version for arm in route.arms}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_an_abort_reaches_the_data_plane_within_two_ticks(tmp_path: Path, fault: Callable[[Small], None]) -> None:
    it = in_canary(tmp_path)
    ask(it.context.state, "small", "abort", "ann", "looks odd", it.clock.now())
    fault(it)
    for _ in range(2):
        tick(it.context, it.clock.now())
        it.clock.time += MINUTE
    assert roles(it) == [Role.CHAMPION]
    assert len(events(it.context, "rollout.aborted")) == 1


# Without the log nobody knows what the canary does.
@pytest.mark.parametrize("fault", [f for f in FAULTS if f is not log_full], ids=lambda fault: fault.__name__)
def test_a_canary_that_fails_all_is_gone_within_two_blocks(tmp_path: Path, fault: Callable[[Small], None]) -> None:
    it = in_canary(tmp_path)
    versions = answering(it)
    fault(it)
    # In blocks of five minutes; the first may have begun before.
    for minute in range(17):
        at = it.clock.now()
        failed = {"status": "error", "score": None, "raw": None, "served": False}
        it.context.ports.log.append(
            [row(f"{minute}-{n}", at, versions[Role.CHAMPION], weight=0.5) for n in range(20)]
            + [row(f"{minute}-{n}", at, versions[Role.CANARY], "canary", **failed) for n in range(20)]
        )
        tick(it.context, at)
        it.clock.time += MINUTE
    assert roles(it) == [Role.CHAMPION]
    assert [line["reason"] for line in events(it.context, "rollout.aborted")] == ["Worse"]


def test_an_abort_reaches_the_data_plane_though_nothing_can_be_written(tmp_path: Path) -> None:
    it = in_canary(tmp_path)
    ask(it.context.state, "small", "abort", "ann", "", it.clock.now())
    ledger_full(it)
    with pytest.raises(TemporaryError):
        tick(it.context, it.clock.now())
    assert roles(it) == [Role.CHAMPION]


def test_a_step_that_fails_is_told_with_its_words_and_keeps_none_of_the_others_from_acting(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    source_away(it)
    ask(it.context.state, "small", "train", "ann", "", it.clock.now())
    report = tick(it.context, it.clock.now())
    (failure,) = report.failures
    assert (failure.step, failure.temporary, failure.since) == ("admit_arrivals", True, it.clock.now())
    assert "does not answer" in failure.message
    assert report.turn is not None, "the turn that was asked for runs"


def test_a_step_that_fails_again_and_again_is_tried_again_within_a_minute(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    tries: list[datetime] = []

    def counted() -> Any:
        tries.append(it.clock.now())
        return away()

    it.context.ports.source.partitions = counted  # type: ignore[method-assign]
    begun = it.clock.now()
    while it.clock.now() < begun + 10 * MINUTE:
        tick(it.context, it.clock.now())
        it.clock.time += timedelta(seconds=5)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert max(gaps) <= BACK_OFF[-1] + timedelta(seconds=5)
    assert gaps[-1] >= BACK_OFF[-1], "and not much oftener"
    (failure,) = tick(it.context, it.clock.now()).failures
    assert failure.since == begun


def test_what_a_person_asks_for_wakes_a_step_that_rests(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    nothing = RequestDocument(
        id="x", what="nothing", by="ann", note="", at=it.clock.now(), target=None, handled_at=None
    )  # fmt: skip
    it.context.state.put("small", "request", "x", nothing.stored())
    listed = it.context.ports.source.partitions
    it.context.state.put(
        "small", "tick", "failures",
        {"steps": {"admit_arrivals": {"message": "away", "since": it.clock.now().isoformat(), "count": 9,
                                      "last": it.clock.now().isoformat(), "temporary": True}}},
    )  # fmt: skip
    calls: list[int] = []
    it.context.ports.source.partitions = lambda: calls.append(1) or listed()  # type: ignore[method-assign]
    assert tick(it.context, it.clock.now()).failures == ()
    assert calls


def test_a_step_that_works_again_is_no_failure_any_more(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    listed = it.context.ports.source.partitions
    source_away(it)
    assert tick(it.context, it.clock.now()).failures
    it.context.ports.source.partitions = listed  # type: ignore[method-assign]
    it.clock.time += 2 * MINUTE
    assert tick(it.context, it.clock.now()).failures == ()
    assert it.context.state.get("small", "tick", "failures") == {"v": 1, "steps": {}}


def test_a_lease_that_was_lost_ends_the_tick(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()

    def lost() -> Any:
        raise LeaseHeld("another process holds it")

    it.context.ports.source.partitions = lost  # type: ignore[method-assign]
    with pytest.raises(LeaseHeld):
        tick(it.context, it.clock.now())
