"""The flights' ModelLoop told day by day: on an installation of the chart, and on this machine."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from installation import IMAGES, TAG, Installation, installed
from rehearsal import Late, Rehearsal, kubectl

PROJECT = Path(__file__).parents[2] / "examples" / "flights"
LOOP = "flight-delay"
PATIENT_DAYS = 40  # more than the first rollout, or the second, needs to begin and end
if str(PROJECT) not in sys.path:
    sys.path.insert(0, str(PROJECT))


@dataclass
class Story:
    """The rehearsal, and the day that comes next."""

    rehearsal: Rehearsal
    installation: Installation
    document: dict[str, Any]
    day: date
    steps: list[str] = field(default_factory=list)

    def live_until(self, what: str, condition: Callable[[], bool], days: int = PATIENT_DAYS) -> None:
        for _ in range(days):
            if condition():
                return
            self.live_a_day()
        raise Late(f"{what}: not within {days} days")

    def live_a_day(self) -> None:
        self.rehearsal.live(self.day)
        rollout = self.rehearsal.status().get("rollout") or {}
        if rollout and rollout["step"] not in self.steps:
            self.steps.append(rollout["step"])
        self.rehearsal.tell(f"{self.day}: {json.dumps(rollout)}")
        self.day += timedelta(days=1)

    def begin(self) -> None:
        self.rehearsal.bootstrap(yaml.safe_dump(self.document), PROJECT)

    def rollout(self, number: int) -> dict[str, Any]:
        """The status of the n-th ModelRollout that there ever was, empty while there is none."""
        found = self.rehearsal.rollouts()
        status: dict[str, Any] = found[number].get("status", {}) if len(found) > number else {}
        return status

    def is_over(self, number: int) -> bool:
        return self.rollout(number).get("phase") in ("Promoted", "Aborted")


@contextmanager
def told_on_a_cluster(patience: float = 0.0) -> Iterator[Story]:
    """Installed, nothing applied yet. `patience` is for how many seconds a call that fails is made again."""
    from flights.world import FlightsYear

    world = FlightsYear(faults=False)
    with installed() as made:
        root = f"{made.storage}/{made.namespace}/{LOOP}"
        rehearsal = Rehearsal(
            made.namespace, LOOP, root, made.clock, made.gateway, made.server, made.token, world, "flight_id",
            "delayed", patience,
        )  # fmt: skip
        yield Story(rehearsal, made, loop_document(f"{IMAGES}/e2e-flights:{TAG}"), world.live_from)
        kubectl("-n", made.namespace, "delete", "modelloop", LOOP, "--timeout=120s")


def loop_document(image: str = "") -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((PROJECT / "loop.yaml").read_text())
    # How busy the machine is shall decide nothing.
    document["spec"]["serving"]["timeout"] = "60s"
    for metric in document["spec"]["rollout"]["judge"]["metrics"]:
        if "slo" in metric:
            metric["slo"] = "60s"
    if image:
        document["spec"]["model"]["image"] = image
    return document


def differences(there: list[Any], here: list[Any]) -> str:
    """Lines that only one of two ledgers has, as a text that is empty where there are none."""
    left, right = Counter(there), Counter(here)
    only = [f"cluster: {line}" for line in left - right] + [f"laptop: {line}" for line in right - left]
    return "\n".join(sorted(only, key=lambda line: line.partition(": ")[2]))


def told(ledger: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What happened on which day, and why, in all its figures; but for ids, which hold where the code lies, and for
    routes of a day that were replaced on it: Pods take a while to be ready."""
    last_route = {entry["at"][:10]: entry for entry in ledger if entry["event"] == "route.changed"}
    return sorted(
        (entry["at"][:10], entry["event"], entry["reason"], re.sub(r"[0-9a-f]{12,}", "#", entry["message"]))
        for entry in ledger
        if entry["event"] != "route.changed" or entry is last_route[entry["at"][:10]]
    )


def on_a_laptop(folder: Path, last: date, spoilt: int | None = None) -> list[dict[str, Any]]:
    from flights.sabotage import STALE_PREPROCESSING, spoil
    from flights.world import FlightsYear
    from tidemill.adapters.sql.state import SqlState
    from tidemill.cli.project import open_project
    from tidemill.cli.replaying.run import _the_loop

    class Spring(FlightsYear):
        def sabotage(self, turn_number: int) -> Callable[[Path], None] | None:
            return partial(spoil, kind=STALE_PREPROCESSING) if turn_number == spoilt else None

    project = folder / "project"
    shutil.copytree(PROJECT, project)
    (project / "loop.yaml").write_text(yaml.safe_dump(loop_document()))
    world = Spring(days=(last - FlightsYear.live_from).days + 1, faults=False)
    (folder / "out").mkdir()
    _the_loop(open_project(project / "loop.yaml"), world, {}, folder / "out", print)
    return SqlState(f"sqlite:///{folder}/out/run/tidemill/home/state.db").ledger(LOOP)
