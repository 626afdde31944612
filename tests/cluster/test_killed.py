"""Fifty kills between a loop's first turn and its first rollout's end: it ends where it would have ended without.

Controller, server, gateways, their helper processes, API server and the turns' own Pods are killed at moments chosen by
a seed. What the ledger says then is held against that of the same spring on this machine, where nothing was killed.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from killer import Killer, can_kill_processes
from story import LOOP, Story, differences, on_a_laptop, told_on_a_cluster
from tidemill.adapters.gateway_client import tensor
from tidemill.adapters.mlflow_registry import MlflowRegistry

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(5400)]
KILLS = 50
SEED = int(os.environ.get("E2E_SEED", "20130301"))
MOST_DAYS = 120
IN_FLIGHT = 25.0  # seconds: how long a request may be waited for, and a little


@dataclass
class Asking:
    """Somebody who asks the gateways for a prediction five times a second, over a connection of its own each time."""

    url: str
    body: dict[str, Any]
    answered: int = 0
    refused: int = 0  # no connection: nothing was sent, and it was asked again
    lost: list[float] = field(default_factory=list)  # sent and not answered, in seconds of time.monotonic
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        over = threading.Event()

        def ask() -> None:
            while not over.wait(0.2):
                self._once()

        thread = threading.Thread(target=ask, name="asking", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _once(self) -> None:
        for _ in range(50):
            try:
                response = httpx.post(self.url, json=self.body, timeout=20)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                self.refused += 1
                time.sleep(0.2)
                continue
            except httpx.HTTPError:
                self.lost.append(time.monotonic())
                return
            if response.status_code == 200:
                self.answered += 1
            else:
                self.wrong.append(f"{response.status_code} {response.text[:200]}")
            return
        self.wrong.append("no gateway took a connection for ten seconds")


@dataclass
class Survived:
    story: Story
    killer: Killer
    asking: Asking


@pytest.fixture(scope="module")
def survived() -> Iterator[Survived]:
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG names no cluster: `make e2e-cluster` brings one up")
    if not can_kill_processes():
        pytest.skip("the node's processes are not visible here: nothing can be killed by SIGKILL")
    with told_on_a_cluster(patience=240) as story:
        asking = _asking(story)
        with Killer(story.installation.namespace, SEED, KILLS, tell=_say) as killer:
            story.begin()
            with asking.going_on():
                while not (story.is_over(0) and killer.done):
                    story.live_a_day()
                    assert (story.day - story.rehearsal.world.live_from).days < MOST_DAYS, killer.killed
        again = Counter(re.sub(r"[0-9a-f]{5,}", "#", text)[:70] for text in story.rehearsal.refusals)
        _say(f"killed: {dict(killer.killed)}; calls made again: {dict(again)}")
        _say(f"asked: {asking.answered} answered, {len(asking.lost)} lost, {asking.refused} not taken")
        yield Survived(story, killer, asking)


def test_every_part_was_killed(survived: Survived) -> None:
    assert survived.killer.killed.total() == KILLS
    assert len(survived.killer.killed) == 7, survived.killer.killed
    assert min(survived.killer.killed.values()) >= 2, survived.killer.killed


def test_no_turn_is_lost_or_doubled(survived: Survived) -> None:
    rehearsal = survived.story.rehearsal
    events = [entry["event"] for entry in rehearsal.history()]
    assert "turn.failed" not in events
    assert events.count("turn.started") == events.count("challenger.registered")
    registry = MlflowRegistry(survived.story.installation.mlflow, "")
    turns = Counter(version.turn for version in registry.versions(LOOP))
    assert len(turns) == events.count("turn.started")
    assert set(turns.values()) == {2}, "a model and a baseline, once for each turn"


def test_the_loop_ends_where_it_ends_when_nothing_is_killed(survived: Survived, tmp_path: Path) -> None:
    """What a shadow had not yet said when its gateway was killed nobody says: figures may differ, nothing else."""
    last = survived.story.day - timedelta(days=1)
    there, here = survived.story.rehearsal.history(), on_a_laptop(tmp_path, last)
    assert not (found := differences(_happened(there), _happened(here))), found


def test_no_request_is_lost_but_those_in_flight_at_a_killed_gateway(survived: Survived) -> None:
    assert survived.asking.wrong == []
    assert survived.asking.answered > 500
    for lost in survived.asking.lost:
        near = min(abs(lost - killed) for killed in survived.killer.gateways)
        assert near < IN_FLIGHT, f"a request was lost {near:.1f} s from any gateway's end"
    assert len(survived.asking.lost) <= len(survived.killer.gateways), "one asks at a time"


def _happened(ledger: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((entry["at"][:10], entry["event"], entry["reason"]) for entry in ledger)


def _asking(story: Story) -> Asking:
    """For version 1 by its name: such answers are nobody's evidence."""
    flight = story.rehearsal.world.delivered(story.day).head(1)
    inputs = [tensor(str(name), flight[name]) for name in flight.columns if name != "delayed"]
    return Asking(f"{story.installation.gateway}/v2/models/{LOOP}/versions/1/infer", {"inputs": inputs})


def _say(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)
