"""What the data plane counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One registry a gateway, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests for a prediction, by HTTP status.", "loop", "status")
        self.seconds = Histogram(
            "tidemill_request_seconds", "Time to answer.", ["loop"], buckets=_BUCKETS, registry=self.registry
        )
        self.predictions = self._counter(
            "predictions", "Rows given to a version: status ok, error or timeout.", "loop", "version", "role", "status"
        )
        self.answers = self._counter(
            "answers", "Rows by the version that should answer, and what answered: arm, fallback, none.",
            "loop", "version", "role", "by",
        )  # fmt: skip
        self.unlogged = self._counter("prediction_log_lost_rows", "Rows that were answered and not logged.", "loop")
        self.unmirrored = self._counter(
            "mirror_dropped_rows", "Rows not mirrored: the queue was full.", "loop", "version"
        )
        self.outcomes = self._counter("outcomes", "Labels that came in: new, duplicate, conflicting.", "loop", "kind")

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when it is asked for."""
        Gauge(f"tidemill_{name}", text, registry=self.registry).set_function(read)

    def answered(self, loop: str, status: int, seconds: float) -> None:
        self.requests.labels(loop, status).inc()
        self.seconds.labels(loop).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"tidemill_{name}", text, labels, registry=self.registry)
