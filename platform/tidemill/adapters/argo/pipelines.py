"""Turns as Argo Workflows, where a cluster has Argo and no Kubeflow Pipelines server: the same compiled pipeline.

A turn's Workflow has the turn's name, so the API server itself keeps it from being started twice. How it ended is read
from what the steps recorded in the turn's folder, as on a laptop; its Pods are asked only where no step said it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidemill.adapters.argo import reading
from tidemill.adapters.argo.api import AlreadyThere, Workflows
from tidemill.adapters.argo.run import CANCELLED, WORK, Run
from tidemill.adapters.argo.translate import read_ir, translate
from tidemill.adapters.kubernetes import pod_state
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.adapters.local.pipelines import compiled
from tidemill.adapters.step_settings import StepSettings
from tidemill.adapters.turn_result import Unexplained, concluded, ended_or_late, status_after, status_of, timed_out
from tidemill.loop.errors import TemporaryError, TidemillError
from tidemill.loop.ids import digest_of
from tidemill.loop.model import ENDED, Phase, TurnRequest, TurnStatus
from tidemill.loop.turn.data import spec_of
from tidemill.loop.turn.files import join, remove_folder
from tidemill.loop.turn.records import records
from tidemill.loop.turn.request import request_digest, request_uri

_log = logging.getLogger(__name__)
_POLL = 1.0
_DYING = 90.0  # seconds that a cancelled run's Pods may take to be gone: they have 30 to end by themselves
_NAME = 63  # Argo puts a Workflow's name into a label


class ArgoPipelines:
    """Of one loop. `pipeline` is a compiled YAML, the entry point `training`'s by default."""

    def __init__(self, api: KubernetesApi, loop: str, settings: StepSettings, pipeline: Path | None = None) -> None:
        self._workflows = Workflows(api, settings.namespace)
        self._loop, self._settings, self._pipeline = loop, settings, pipeline

    def submit(self, request: TurnRequest) -> None:
        name = workflow_name(self._loop, request.id)
        found = self._workflows.get(name)
        if found is not None:
            if not reading.cancelled(found) and self._stands(found).phase is not Phase.UNKNOWN:
                return
            self._workflows.delete(name)  # one that was cancelled, or lost, makes room for the same turn
        self._wait_until_gone(name)
        # What a run that is gone had recorded is no part of this one.
        remove_folder(join(request.work_uri, "steps"))
        try:
            self._workflows.create(self.translated(request))
        except AlreadyThere:
            return  # someone else was quicker

    def translated(self, request: TurnRequest) -> dict[str, Any]:
        """The Workflow of a turn, as it is created."""
        run = Run(
            name=workflow_name(self._loop, request.id),
            root=join(request.work_uri, "pipeline"),
            timeout=spec_of(request).model.timeout.total_seconds(),
            loop=self._loop,
            turn=request.id,
            work_uri=request.work_uri,
        )
        arguments = {"request_uri": request_uri(request.work_uri), "request_digest": request_digest(request)}
        settings = replace(self._settings, image=request.image or self._settings.image)
        return translate(read_ir(self._pipeline or compiled("training")), run, arguments, settings)

    def status(self, turn: str) -> TurnStatus:
        workflow = self._workflows.get(workflow_name(self._loop, turn))
        if workflow is None:
            return TurnStatus(Phase.UNKNOWN)
        found = self._stands(workflow)
        return replace(found, images=self._images(workflow)) if found.phase in ENDED else found

    def _images(self, workflow: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        try:
            return pod_state.images(self._workflows.pods(workflow["metadata"]["name"]))
        except TemporaryError:
            raise
        except TidemillError as error:  # how the turn ended is known without its Pods
            _log.warning("which images turn %s ran is not known: %s", workflow["metadata"]["name"], error)
            return {}

    def _stands(self, workflow: dict[str, Any]) -> TurnStatus:
        if reading.ended(workflow) and reading.cancelled(workflow):
            return TurnStatus(Phase.UNKNOWN)
        if not reading.ended(workflow):
            return self._running(workflow)
        recorded = self._records(workflow)
        if reading.succeeded(workflow):
            return status_of(concluded(recorded))
        if reading.timed_out(workflow):
            seconds = workflow["spec"]["activeDeadlineSeconds"]
            return status_of(timed_out(recorded, seconds, self._waited(workflow)))
        return status_after(recorded, self._failure(workflow))

    def cancel(self, turn: str) -> None:
        name = workflow_name(self._loop, turn)
        workflow = self._workflows.get(name)
        if workflow is None or reading.ended(workflow):
            return
        marked = {"metadata": {"annotations": {CANCELLED: "true"}}, "spec": {"shutdown": "Terminate"}}
        self._workflows.patch(name, marked)
        until = time.monotonic() + _DYING
        while (workflow := self._workflows.get(name)) is not None and not self._gone(name, workflow):
            if time.monotonic() > until:
                raise TemporaryError(
                    f"Workflow {name} was told to end {_DYING:g} s ago and still has Pods. See `kubectl -n "
                    f"{self._settings.namespace} describe workflow {name}`; is Argo's controller running?"
                )
            time.sleep(_POLL)

    def wait(self, turn: str, seconds: float) -> TurnStatus:
        return ended_or_late(self.status, turn, seconds, _POLL)

    def _gone(self, name: str, workflow: dict[str, Any]) -> bool:
        ended = ("Succeeded", "Failed")
        return reading.ended(workflow) and all(pod["status"]["phase"] in ended for pod in self._workflows.pods(name))

    def _wait_until_gone(self, name: str) -> None:
        """The Pods of an earlier Workflow of this name have the names of the new one's, which would take them over."""
        until = time.monotonic() + _DYING
        while self._workflows.pods(name) or self._workflows.get(name) is not None:
            if time.monotonic() > until:
                raise TemporaryError(
                    f"What an earlier run of Workflow {name} left is still there after {_DYING:g} s. See `kubectl -n "
                    f"{self._settings.namespace} get pods -l workflows.argoproj.io/workflow={name}`."
                )
            time.sleep(_POLL)

    def _records(self, workflow: dict[str, Any]) -> dict[str, Any]:
        """What the steps recorded, in the order in which they ran: that of a failure is the first."""
        found = records(workflow["metadata"]["annotations"][WORK])
        ran = [step.name for step in reading.steps(workflow)]
        return {name: found[name] for name in sorted(found, key=lambda n: ran.index(n) if n in ran else -1)}

    def _running(self, workflow: dict[str, Any]) -> TurnStatus:
        step = reading.current(workflow)
        if step is None:
            return TurnStatus(Phase.RUNNING, step="starting")
        waits = self._waited(workflow) if step.phase == "Pending" else ""
        return TurnStatus(
            Phase.RUNNING, message=waits, step=f"{step.name}, which waits: {waits}" if waits else step.name
        )

    def _waited(self, workflow: dict[str, Any]) -> str:
        """What keeps a step's Pod from running, as a sentence without its end."""
        names = {step.id: step.name for step in reading.steps(workflow)}
        for pod in self._workflows.pods(workflow["metadata"]["name"]):
            why = pod_state.waiting(pod) if pod["status"]["phase"] == "Pending" else ""
            if why:
                return f"Step {names.get(_node(pod), '?')} could not begin: {why}"
        return ""

    def _failure(self, workflow: dict[str, Any]) -> Unexplained:
        name, step = workflow["metadata"]["name"], reading.failed(workflow)
        look = f"`kubectl -n {self._settings.namespace} describe workflow {name}` has more."
        said = workflow["status"].get("message", "it gave no reason")
        if reading.stopped(workflow):
            return Unexplained(f"Workflow {name} was stopped by someone ({said})", look=look)
        if step is None:
            return Unexplained(f"Workflow {name} ended as {workflow['status']['phase']}: {said}", look=look)
        pod = next((pod for pod in self._workflows.pods(name) if _node(pod) == step.id), None)
        if pod is None:
            said = step.message or "Argo gives no reason"
            return Unexplained(f"{said} (its Pod is gone)", step.name, look=look, lost=True)
        return pod_state.ended(pod, step.name, self._workflows.log(pod["metadata"]["name"]))


def workflow_name(loop: str, turn: str) -> str:
    """The same for the same turn; a loop whose name is too long has a digest of it instead of its end."""
    plain = loop.lower().replace("/", "-").replace(".", "-")
    name = f"{plain}-{turn.lower()}"
    if len(name) <= _NAME:
        return name
    digest = digest_of(loop, 8)
    return f"{plain[: _NAME - len(turn) - len(digest) - 2].rstrip('-')}-{digest}-{turn.lower()}"


def _node(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("annotations", {}).get("workflows.argoproj.io/node-id", ""))
