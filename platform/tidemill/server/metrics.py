"""What Prometheus reads: each loop in figures from the state store, and what the server itself was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tidemill.adapters.sql.catalog import Catalog
from tidemill.adapters.sql.queries import Overview
from tidemill.loop.standing import step_of

FRESH = 10.0  # seconds for which an overview is good: two Prometheis cost no more than one
Loops = dict[tuple[str, str], Overview]
_OF = ["namespace", "loop"]


class Metrics:
    def __init__(self, catalog: Catalog) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(LoopCollector(catalog.overview))
        self.requests = Counter(
            "tidemill_server_requests", "Requests answered", ["endpoint", "status"], registry=self._registry
        )
        self.events = Counter(
            "tidemill_server_events", "Events taken in", ["type", "became"], registry=self._registry
        )  # became: acted | recorded | duplicate

    def text(self) -> bytes:
        """Raises TemporaryError where the state store cannot be read."""
        return generate_latest(self._registry)


class LoopCollector(Collector):
    def __init__(self, overview: Callable[[], Loops]) -> None:
        self._overview = overview
        self._lock = threading.Lock()
        self._read: tuple[float, Loops] | None = None

    def describe(self) -> Iterable[Metric]:
        return []  # else the store would be read when the collector is registered

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if self._read is None or monotonic() - self._read[0] > FRESH:
                self._read = (monotonic(), self._overview())
            loops = self._read[1]
        yield from families(loops)


def families(loops: Loops) -> list[Metric]:
    champion = _gauge("champion_info", "The version that serves; always 1", "version", "reason")
    since = _gauge("champion_since_seconds", "When the champion began to serve, Unix time")
    rollout = _gauge("rollout_info", "The running rollout; always 1", "challenger", "status", "reason", "step")
    step = _gauge("rollout_step", "Number of the running rollout's step; 0: getting ready")
    partitions = _gauge("partitions", "Partitions of data by what the gate said", "status")
    incidents = _gauge("open_incidents", "Lasting changes of the data about which a person is asked: `tidemill admit`")
    running = _gauge("turn_running", "1 while a turn runs")
    turn = _gauge("last_turn_info", "How the last turn stands; always 1", "status", "reason")
    tick = _gauge("last_tick_timestamp_seconds", "When the loop was last looked after, Unix time")
    failing = _gauge("step_failing_since_seconds", "A step of the tick that fails; since when, Unix time", "step")
    for of, found in loops.items():
        if found.champion is not None:
            champion.add_metric([*of, found.champion["version"], found.champion["reason"]], 1)
            since.add_metric(of, _seconds(found.champion["since"]))
        if found.rollout is not None:
            one = found.rollout
            rollout.add_metric([*of, one["challenger"], one["status"], one["reason"], step_of(one)], 1)
            step.add_metric(of, len(one["steps"]))
        for status in ("admitted", "quarantined"):
            partitions.add_metric([*of, status], found.partitions.get(status, 0))
        incidents.add_metric(of, found.incidents)
        running.add_metric(of, found.turn is not None and found.turn["status"] == "running")
        if found.turn is not None:
            turn.add_metric([*of, found.turn["status"] or "", found.turn["reason"] or ""], 1)
        if found.last_tick is not None:
            tick.add_metric(of, _seconds(found.last_tick))
        for name, moment in found.failing.items():
            failing.add_metric([*of, name], _seconds(moment))
    return [champion, since, rollout, step, partitions, incidents, running, turn, tick, failing]


def _gauge(name: str, help: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tidemill_loop_{name}", help, labels=[*_OF, *labels])


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
