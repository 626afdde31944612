"""A load that hangs holds nobody up, and one that takes long is not begun again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from gateway_harness import Running
from tidemill.decisions.verdict import Reason
from tidemill.gateway import loads, models, plane
from tidemill.gateway.loads import Loads, StillLoading
from tidemill.gateway.scoring import ModelFailed
from tidemill.loop.model import ModelVersion

Start = Callable[..., Running]
Versions = dict[str, ModelVersion]


class Slow:
    """A load that ends when it is told to."""

    def __init__(self) -> None:
        self.go, self.begun, self.times = threading.Event(), threading.Event(), 0

    def __call__(self) -> str:
        self.times += 1
        self.begun.set()
        assert self.go.wait(30)
        return "loaded"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    monkeypatch.setattr(loads, "WAIT", 0.0)
    found = Slow()
    yield found
    found.go.set()


def until_done(made: Loads[str], load: Slow) -> str:
    load.go.set()
    while True:
        try:
            return made.result("key", load)
        except StillLoading:
            threading.Event().wait(0.001)


def test_who_asks_while_it_goes_on_is_told_so_and_begins_no_other(slow: Slow) -> None:
    made: Loads[str] = Loads()
    for _ in range(3):
        with pytest.raises(StillLoading, match="is being loaded"):
            made.result("key", slow)
    assert until_done(made, slow) == "loaded"
    assert slow.times == 1


def test_what_is_loaded_is_loaded_anew_for_who_asks_anew(slow: Slow) -> None:
    made: Loads[str] = Loads()
    assert [until_done(made, slow), until_done(made, slow)] == ["loaded", "loaded"]
    assert slow.times == 2


def test_one_that_hangs_keeps_no_other_from_loading(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Loads[str] = Loads()
    with pytest.raises(StillLoading):
        made.result("hangs", slow)
    monkeypatch.setattr(loads, "WAIT", 30.0)
    assert made.result("other", lambda: "other") == "other"


@pytest.mark.parametrize(
    ("raised", "seen"), [(OSError("no"), OSError), (SystemExit(3), ModelFailed), (TimeoutError("x"), TimeoutError)]
)
def test_what_a_load_raises_is_raised_to_who_asked(raised: BaseException, seen: type[Exception]) -> None:
    def fails() -> str:
        raise raised

    with pytest.raises(seen):
        Loads[str]().result("key", fails)


def test_a_version_whose_loading_hangs_is_not_ready_and_the_others_are(
    start: Start, versions: Versions, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start()

    def load(version: object) -> object:
        if version is versions["calm"]:
            slow()
        return models.load(version)  # type: ignore[arg-type]

    monkeypatch.setattr(plane, "load", load)
    readiness = running.prepare(versions["calm"])
    assert (readiness.ready, readiness.reason) == (False, Reason.NOT_READY)
    assert "is being loaded" in readiness.message
    monkeypatch.setattr(loads, "WAIT", 30.0)
    assert running.prepare(versions["other"]).ready
    assert not running.prepare(versions["calm"]).ready, "it is asked about, and not waited for"
