"""The Pipelines port on a Kubeflow Pipelines server: a turn is a run of the compiled pipeline there.

The server knows no idempotency key, so a run is found again by its name, which is the turn's; the loop's lease sees to
it that nobody else looks at the same time. What a step did is read from its record, as everywhere; the server and the
Pods are asked only how the run as a whole stands, and why it failed where no step could say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from tidemill.adapters.kubeflow.package import package, version_of
from tidemill.adapters.kubeflow.server import KubeflowServer, asked
from tidemill.adapters.step_settings import StepSettings
from tidemill.adapters.turn_result import Unexplained, concluded, ended_or_late, status_after, status_of, timed_out
from tidemill.loop.errors import TemporaryError
from tidemill.loop.model import ENDED, Phase, TurnRequest, TurnStatus
from tidemill.loop.ports import Clock
from tidemill.loop.turn.data import spec_of
from tidemill.loop.turn.files import exists, join, read_bytes, write_bytes
from tidemill.loop.turn.records import forget_failures, records
from tidemill.loop.turn.request import read_request, request_digest, request_uri

_POLL = 2.0
_CANCELLED = ("CANCELED", "CANCELING")
_OVER = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
_ENDED = (*_OVER, "CANCELING")
_DYING = 120.0  # seconds that a cancelled run's Pods may take to be gone: they have 30 to end by themselves

Explain = Callable[[str], Unexplained | None]
Images = Callable[[str], Mapping[str, tuple[str, ...]]]


class KubeflowPipelines:
    """One loop's turns. `name` is the loop's as the server shall show it; `home` the URI that turns are kept under
    (`home`/turns/<turn>); `explain` tells from a run's Pods why it failed, or cannot go on; `images`
    which images they ran."""

    def __init__(
        self,
        server: KubeflowServer,
        pipeline: Path,
        settings: StepSettings,
        name: str,
        home: str,
        clock: Clock,
        explain: Explain,
        images: Images = lambda run: {},
    ) -> None:
        self._server, self._pipeline, self._settings = server, pipeline, settings
        self._name, self._home, self._clock = name, home, clock
        self._explain, self._images = explain, images

    def submit(self, request: TurnRequest) -> None:
        name, run = self._run_name(request.id), self._run(request.id)
        if run is not None and self._stands(run, request.id).phase is not Phase.UNKNOWN:
            return
        # What a step did stays recorded: the server answers for it from its cache, and does not run it again.
        forget_failures(request.work_uri)
        text = package(self._pipeline, self._settings)
        pipeline = self._server.pipeline(
            "tidemill-training", "Data, checks, features, training, evaluation, registration: one turn of a ModelLoop"
        )
        version = self._server.version(pipeline, version_of(text), text)
        experiment = self._server.experiment(self._name)
        parameters = {"request_uri": request_uri(request.work_uri), "request_digest": request_digest(request)}
        self._server.run(name, experiment, pipeline, version, parameters, self._settings.service_account)

    def status(self, turn: str) -> TurnStatus:
        run = self._run(turn)
        if run is None:
            return TurnStatus(Phase.UNKNOWN)
        found = self._stands(run, turn)
        return replace(found, images=self._images(run.run_id)) if found.phase in ENDED else found

    def _stands(self, run: Any, turn: str) -> TurnStatus:
        if self._cancelled(run, turn):
            return TurnStatus(Phase.UNKNOWN)
        if run.state in _ENDED:
            return self._ended(run, turn)
        age = self._clock.now() - run.created_at.astimezone(UTC)
        trouble = self._explain(run.run_id)
        timeout = self._timeout_of(turn)
        if age > timeout:
            self._server.terminate(run.run_id)
            waited = "" if trouble is None else f"It waited: {trouble.why.rstrip('.')}"
            return status_of(timed_out(self._records(turn), timeout.total_seconds(), waited))
        done = list(self._records(turn))
        step = f"after {done[-1]}" if done else "starting"
        return TurnStatus(Phase.RUNNING, step=step if trouble is None else f"{step}; {trouble.why}")

    def cancel(self, turn: str) -> None:
        run = self._run(turn)
        if run is None or run.state in _ENDED:
            return
        # Written first: a run that somebody stops in the dashboard is a failure, one that the loop ends is none.
        write_bytes(self._mark(turn), run.run_id.encode())
        self._server.terminate(run.run_id)
        until = time.monotonic() + _DYING
        while (run := self._run(turn)) is not None and run.state not in _OVER:
            if time.monotonic() > until:
                raise TemporaryError(
                    f"Run {run.run_id} of Kubeflow Pipelines was told to end {_DYING:g} s ago and is {run.state}. Are "
                    "its workflow controller and persistence agent running?"
                )
            time.sleep(_POLL)

    def wait(self, turn: str, seconds: float) -> TurnStatus:
        return ended_or_late(self.status, turn, seconds, _POLL)

    def _ended(self, run: Any, turn: str) -> TurnStatus:
        steps = self._records(turn)
        if run.state == "SUCCEEDED":
            return status_of(concluded(steps))
        look = f"Run {run.run_id} at {self._server.endpoint} shows its steps."
        if _stopped(run):
            failure = Unexplained("the run was cancelled in Kubeflow Pipelines", look=look)
        else:
            # A Pod that failed by itself is still there; one that was deleted, or whose node went, is not.
            said = getattr(run.error, "message", "") or "none of its Pods that are left says why, so one was deleted"
            failure = self._explain(run.run_id) or Unexplained(said, look=look, lost=True)
        return status_after(steps, failure)

    def _timeout_of(self, turn: str) -> timedelta:
        """As the turn was submitted with it: the loop may say otherwise by now."""
        try:
            return spec_of(read_request(self._work(turn))).model.timeout
        except FileNotFoundError as error:
            raise TemporaryError(
                f"The request of turn {turn} is gone from {self._work(turn)}: cancel its run, or bring it back."
            ) from error

    def _run(self, turn: str) -> Any | None:
        """The turn's last run. A server that was slow to answer may have started another one before: that one is ended,
        since both would write to the same folder."""
        request = request_uri(self._work(turn))
        runs = self._server.find_runs(self._run_name(turn), request)
        for run in runs[1:]:
            if run.state not in _ENDED and asked(run) == request:
                self._server.terminate(run.run_id)
        return runs[0] if runs else None

    def _work(self, turn: str) -> str:
        return join(self._home, "turns", turn)

    def _mark(self, turn: str) -> str:
        return join(self._work(turn), "cancelled")

    def _cancelled(self, run: Any, turn: str) -> bool:
        """By the loop itself."""
        if run.state not in (*_CANCELLED, "FAILED"):
            return False
        return exists(self._mark(turn)) and read_bytes(self._mark(turn)).decode() == run.run_id

    def _records(self, turn: str) -> dict[str, Any]:
        return records(self._work(turn))

    def _run_name(self, turn: str) -> str:
        return f"{self._name} turn {turn}"


def _stopped(run: Any) -> bool:
    """By someone. Release 2.0 ends such a run as FAILED, and tells only in its history that it was being cancelled."""
    return any(state in _CANCELLED for state in (run.state, *(past.state for past in run.state_history or ())))
