"""Lives through history on an installation of the chart: delivers data, asks for predictions, sends labels, and moves
the clock that the installation reads. What a replay does on a laptop, from outside and over HTTP."""

from __future__ import annotations

import json
import subprocess
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pandas as pd
from tidemill.adapters.gateway_client import GatewayClient
from tidemill.adapters.log.stored import StoredPredictionLog
from tidemill.loop.errors import TidemillError
from tidemill.loop.replay import LABELS_AT, REQUESTS_AT, TICK_AT
from tidemill.loop.turn.files import join, write_bytes

PATIENCE = 900.0  # seconds that a turn may take on a small machine


T = TypeVar("T")


class Late(AssertionError):
    """Something did not come to be in time."""


def kubectl(*arguments: str, input: str | None = None) -> str:
    done = subprocess.run(
        ["kubectl", *arguments], input=input, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@dataclass
class Rehearsal:
    """One loop of an installation. `root` is the URI of the project (storage/namespace/loop), `clock` that of the file
    that states the time; `gateway` and `server` are URLs that this process reaches."""

    namespace: str
    loop: str
    root: str
    clock: str
    gateway: str
    server: str
    token: str
    world: Any
    key: str
    label: str
    patience: float = 0.0  # seconds for which a call that fails is made again, where things are killed on purpose
    tell: Callable[[str], None] = print
    turned: Callable[[str, int], None] | None = None  # told of a turn and its number while it runs
    answers: list[pd.DataFrame] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)  # what calls that were made again had been told
    stated: datetime = field(default_factory=partial(datetime.now, UTC))  # when the time was stated that holds now
    _delivered: set[date] = field(default_factory=set)
    _turns: list[str] = field(default_factory=list)
    _client: GatewayClient | None = None

    def persist(self, call: Callable[[], T]) -> T:
        """Every call here may be made twice."""
        until = real_time.monotonic() + self.patience
        while True:
            try:
                return call()
            except (AssertionError, OSError, httpx.HTTPError, subprocess.TimeoutExpired, TidemillError) as error:
                if real_time.monotonic() > until:
                    raise
                self.refusals.append(f"{type(error).__name__}: {error}"[:300])
                real_time.sleep(1)

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        return self.persist(lambda: kubectl("-n", self.namespace, *arguments, input=input))

    def state_time(self, moment: datetime) -> None:
        self.persist(lambda: write_bytes(self.clock, moment.isoformat().encode()))
        real_time.sleep(1.2)  # every part looks at the file twice a second
        self.stated = datetime.now(UTC)

    def deliver(self, day: date) -> None:
        batch = self.world.delivered(day)
        uri = join(self.root, "data", "flights", f"{day}.parquet")
        self.persist(lambda: write_bytes(uri, batch.to_parquet(index=False)))
        self._delivered.add(day)

    def apply(self, document: str) -> None:
        self.kubectl("apply", "-f", "-", input=document)

    def bootstrap(self, document: str, project: Path) -> None:
        """The loop is applied, then the labels of two months are sent, then their data: the first turn runs."""
        expectations = (project / "expectations.json").read_bytes()
        self.persist(lambda: write_bytes(join(self.root, "expectations.json"), expectations))
        morning = datetime.combine(self.world.live_from, LABELS_AT, UTC)
        self.state_time(morning)
        self.apply(document)
        self.until("the loop is known", lambda: self.get(f"loops/{self.loop}") is not None, 120)
        with self.paused():  # else it would train on the first days while the others are on their way
            self.post_outcomes(self.world.labels(morning, datetime.combine(self.world.start, time(0), UTC)))
            day = self.world.start
            while day < self.world.live_from:
                self.deliver(day)
                day += timedelta(days=1)
            self.state_time(datetime.combine(self.world.live_from, TICK_AT, UTC))
        self.until("the first champion answers", lambda: self.condition("Ready"), PATIENCE)

    def live(self, day: date) -> None:
        """A day: its flights are asked for at noon; the next morning it is delivered, labels come, the loop looks."""
        self.state_time(datetime.combine(day, REQUESTS_AT, UTC))
        flights = self.world.delivered(day)
        answered = self.persist(lambda: self.client.predict(flights))
        self.answers.append(answered.assign(day=day))
        self.until("what was answered is logged", lambda: self._logged(day, set(answered["key"])), PATIENCE)
        real_time.sleep(2)  # what a shadow said is logged a little later
        morning = day + timedelta(days=1)
        self.state_time(datetime.combine(morning, LABELS_AT, UTC))
        labels_at = datetime.combine(morning, LABELS_AT, UTC)
        labels = self.world.labels(labels_at, labels_at - timedelta(days=1))
        if len(labels):
            self.persist(lambda: self.client.send_labels(labels))
        self.state_time(datetime.combine(morning, TICK_AT, UTC))
        self.deliver(day)  # last: a turn that this begins shall know the labels, and begin at this hour
        self.settle()

    def settle(self) -> None:
        """Until two ticks that began since the time was stated changed nothing more, what was delivered is judged, and
        no turn runs."""
        until, seen, ticks = real_time.monotonic() + PATIENCE, "", set[datetime]()
        since = self.stated
        while real_time.monotonic() < until:
            real_time.sleep(1.5)
            status = self.status()
            turn, partitions = status.get("turn") or {}, status.get("partitions") or {}
            if turn.get("status") == "running":
                self._running(turn["id"])
            look = json.dumps(
                [status.get(key) for key in ("champion", "rollout", "turn", "partitions")], sort_keys=True
            )
            if look != seen:
                seen, since = look, datetime.now(UTC)
                ticks.clear()
            last = (self.get(f"loops/{self.loop}") or {}).get("last_tick")
            if last is not None and datetime.fromisoformat(last) > since:
                ticks.add(datetime.fromisoformat(last))
            judged = sum(partitions.values()) >= len(self._delivered)
            if turn.get("status") != "running" and judged and len(ticks) >= 2:
                return
        raise Late(f"the loop did not settle: {json.dumps(self.status(), indent=1)}")

    def _running(self, turn: str) -> None:
        """Each turn that is seen running is told of once, if somebody wants to know, and nothing ticks meanwhile."""
        if self.turned is None or turn in self._turns:
            return
        self._turns.append(turn)
        with self.paused():
            self.turned(turn, len(self._turns))

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.kubectl("annotate", "modelloop", self.loop, "tidemill.dev/paused=true", "--overwrite")
        try:
            yield
        finally:
            self.kubectl("annotate", "modelloop", self.loop, "tidemill.dev/paused-")

    def until(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        end = real_time.monotonic() + seconds
        while not condition():
            if real_time.monotonic() > end:
                raise Late(f"{what}: not within {seconds:g} s. {json.dumps(self.status(), indent=1)}")
            real_time.sleep(2)

    def _logged(self, day: date, keys: set[str]) -> bool:
        """The gateways ship what they logged every two seconds, and once more when they start."""
        midnight = datetime.combine(day, time(0), UTC)
        log = StoredPredictionLog(join(self.root, "predictions"))
        found = log.read(midnight - timedelta(days=1), midnight + timedelta(days=2))
        return keys <= set(found["key"])

    # what the cluster says

    def status(self) -> dict[str, Any]:
        found = json.loads(self.kubectl("get", "modelloop", self.loop, "-o", "json"))
        status: dict[str, Any] = found.get("status") or {}
        return status

    def condition(self, kind: str) -> bool:
        return any(c["type"] == kind and c["status"] == "True" for c in self.status().get("conditions", []))

    def rollouts(self) -> list[dict[str, Any]]:
        found = json.loads(self.kubectl("get", "modelrollouts", "-o", "json"))["items"]
        return sorted(found, key=lambda item: str(item["metadata"]["creationTimestamp"]))

    def history(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self.get(f"loops/{self.loop}/history?after={after}&limit=500")
            assert page is not None, "a loop that was applied has a history"
            entries += page["entries"]
            after = page["next"]
        return entries

    # the server

    @property
    def client(self) -> GatewayClient:
        if self._client is None:
            self._client = GatewayClient(self.gateway, self.loop, self.key, self.label)
        return self._client

    def get(self, path: str) -> Any:
        def get() -> Any:
            url = f"{self.server}/v1/namespaces/{self.namespace}/{path}"
            response = httpx.get(url, headers=self._headers, timeout=30)
            return None if response.status_code == 404 else self._said(response)

        return self.persist(get)

    def ask(self, what: str, note: str = "") -> Any:
        return self._post(f"loops/{self.loop}/requests", {"what": what, "note": note})

    def post_outcomes(self, labels: pd.DataFrame) -> None:
        rows = [{"key": key, "label": label} for key, label in zip(labels["key"], labels["label"], strict=True)]
        for at in range(0, len(rows), 20_000):
            self._post(f"loops/{self.loop}/outcomes", {"outcomes": rows[at : at + 20_000]})

    def _post(self, path: str, body: Any) -> Any:
        url = f"{self.server}/v1/namespaces/{self.namespace}/{path}"
        return self.persist(lambda: self._said(httpx.post(url, json=body, headers=self._headers, timeout=60)))

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @staticmethod
    def _said(response: httpx.Response) -> Any:
        assert response.is_success, f"{response.request.url}: {response.status_code} {response.text[:500]}"
        return response.json()
