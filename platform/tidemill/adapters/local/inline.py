"""A turn in this process: the same use cases that the components call, one after the other. For backtests.

No Kubeflow, no files but the partitions', no processes: what a backtest asks is what the loop would have decided.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from tidemill.adapters.file_source import read_table
from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.decisions.accept import AcceptAction
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import ArtifactChanged, DataUnreadable
from tidemill.loop.frames import canonical
from tidemill.loop.model import Partition, Phase, TurnRequest, TurnStatus
from tidemill.loop.turn import data, training
from tidemill.loop.turn.evaluation import evaluate
from tidemill.loop.turn.files import read_bytes
from tidemill.loop.turn.records import reason_of
from tidemill.loop.turn.request import folder_of
from tidemill.loop.turn.user_code import TrainerFailed
from tidemill.spec.model_loop import Data, ModelLoopSpec


class InlinePipelines:
    """A turn has ended when `submit` returns."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self._registry = registry
        self._ended: dict[str, TurnStatus] = {}
        self._frames: dict[str, pd.DataFrame] = {}

    def submit(self, request: TurnRequest) -> None:
        if request.id in self._ended:
            return
        try:
            self._ended[request.id] = self._run(request)
        except TrainerFailed as error:
            self._ended[request.id] = TurnStatus(Phase.FAILED, Reason.TRAINER_FAILED, str(error), "train")
        except (DataUnreadable, ArtifactChanged) as error:
            self._ended[request.id] = TurnStatus(Phase.FAILED, reason_of(error), str(error), "ingest")

    def status(self, turn: str) -> TurnStatus:
        return self._ended.get(turn, TurnStatus(Phase.UNKNOWN))

    def cancel(self, turn: str) -> None:
        self._ended.pop(turn, None)

    def wait(self, turn: str, seconds: float) -> TurnStatus:
        return self.status(turn)

    def _run(self, request: TurnRequest) -> TurnStatus:
        spec, project = data.spec_of(request), Path(request.project)
        frame = data.assemble(
            request,
            partial(self._read, spec.data),
            data.labels_of(request, read_bytes(request.labels_uri)),
            data.delivered_digest,
        )
        objection = data.objection(frame, spec, request.as_of, [])
        if objection is not None:
            return TurnStatus(Phase.SUCCEEDED, objection[0], objection[1])
        prepared = data.prepare(frame, spec, request.as_of, project)
        champion = self._champion(request)
        record: dict[str, Any] = {"excess": 0.0}
        message = "Accepted without comparison (always)."
        # What is accepted whatever it is needs no evaluated twin: a cron job does not train one either.
        if not spec.evaluation.accept.always:
            verdict, record = self._evaluate(request, spec, project, prepared, champion)
            if verdict.action is not AcceptAction.ACCEPT:
                return TurnStatus(Phase.SUCCEEDED, verdict.reason, verdict.message, result={"evaluate": record})
            message = verdict.message
        model, baseline = self._train(spec, project, prepared, champion, whole=True)
        result = {"evaluate": record, "register": self._register(request, model, baseline)}
        return TurnStatus(Phase.SUCCEEDED, Reason.ACCEPTED, message, result=result)

    def _champion(self, request: TurnRequest) -> Any:
        if request.champion is None:
            return None
        return self._registry.load(self._registry.get(request.loop, request.champion.version))

    def _train(
        self, spec: ModelLoopSpec, project: Path, prepared: data.Prepared, champion: Any, whole: bool
    ) -> tuple[Any, Any]:
        previous = training.estimator_of(champion)
        model = training.train(prepared, spec, project, spec.model.trainer, whole, previous)
        return model, training.train(prepared, spec, project, spec.model.baseline, whole)

    def _evaluate(
        self, request: TurnRequest, spec: ModelLoopSpec, project: Path, prepared: data.Prepared, champion: Any
    ) -> Any:
        twin, baseline = self._train(spec, project, prepared, champion, whole=False)
        saw_until = None if request.champion is None else request.champion.trained_until
        verdict, record, _ = evaluate(prepared, spec, twin, baseline, champion, saw_until)
        return verdict, record

    def _register(self, request: TurnRequest, model: Any, baseline: Any) -> dict[str, str]:
        tags = {"tidemill.trained_until": request.as_of.isoformat()}
        named = self._registry.register(request.loop, self._registry.put(model), "", request.id, tags)
        tags = {"tidemill.role": "baseline"}
        heuristic = self._registry.register(request.loop, self._registry.put(baseline), "", request.id, tags)
        return {"version": named.version, "baseline_version": heuristic.version}

    def _read(self, described: Data, partition: Partition) -> pd.DataFrame:
        """Each partition is read once, however many turns train on it."""
        if partition.digest not in self._frames:
            self._frames[partition.digest] = canonical(read_table(folder_of(partition.uri), described.key), described)
        return self._frames[partition.digest]
