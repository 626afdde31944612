"""The steps of a turn on files: what each Kubeflow component calls. One step reads what the one before it wrote.

Each step leaves a record in work_uri/steps/<step>.json, whole or not at all: the turn's result is read from there, on
a laptop and on a cluster alike, and never from a metadata store. A step that is run again writes the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.accept import AcceptAction
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import ArtifactChanged, DataUnreadable, TidemillError
from tidemill.loop.frames import canonical
from tidemill.loop.model import Partition, TurnRequest
from tidemill.loop.ports import Validator
from tidemill.spec.model_loop import ModelLoopSpec

from . import data, training
from .evaluation import evaluate
from .files import fetch, fetch_folder, join, names, read_bytes, remove, write_bytes
from .request import from_json
from .user_code import TrainerFailed, dump, probabilities

if TYPE_CHECKING:
    import pandas as pd

STEPS = ("ingest", "validate", "features", "train", "evaluate", "refit", "register")
PASSED = "Passed"
ACCEPTED = str(Reason.ACCEPTED)
_REASONS = ((TrainerFailed, Reason.TRAINER_FAILED), (ArtifactChanged, Reason.ARTIFACT_CHANGED))


def load_request(uri: str, digest: str) -> TurnRequest:
    """Raises DataUnreadable where the request is not the one that was submitted, and says so beside it, in
    steps/request.json: what it names as its own folder is not to be trusted."""
    text = read_bytes(uri)
    found = "sha256:" + hashlib.sha256(text).hexdigest()
    if found != digest:
        message = f"The request at {uri} changed after the run was submitted: its digest is {found}, not {digest}. "
        message += "Nothing was done with it; the next turn writes its own."
        _write(uri.rpartition("/")[0], "request", _failure(Reason.PIPELINE_FAILED, message))
        raise DataUnreadable(message)
    return from_json(text.decode())


def record(request: TurnRequest, step: str, document: Mapping[str, Any]) -> dict[str, Any]:
    return _write(request.work_uri, step, document)


def _failure(reason: Reason, message: str) -> dict[str, Any]:
    return {"failed": True, "reason": str(reason), "message": message}


def _write(work_uri: str, step: str, document: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(document, sort_keys=True, default=str)
    write_bytes(join(work_uri, "steps", f"{step}.json"), text.encode())
    return dict(document)


def records(work_uri: str) -> dict[str, dict[str, Any]]:
    """What each step of a turn recorded so far, by step name, in the order of the pipeline."""
    folder = join(work_uri, "steps")
    found = [name.removesuffix(".json") for name in names(folder) if name.endswith(".json")]
    found.sort(key=lambda step: (STEPS.index(step) if step in STEPS else len(STEPS), step))
    return {step: json.loads(read_bytes(join(folder, f"{step}.json"))) for step in found}


def forget_failures(work_uri: str) -> None:
    """Before steps are run again. What the others recorded holds: the same step on the same input writes the same."""
    for step, found in records(work_uri).items():
        if found.get("failed"):
            remove(join(work_uri, "steps", f"{step}.json"))


@contextmanager
def explained(request: TurnRequest, step: str) -> Iterator[None]:
    """A step that raises says why in its record, then raises: the run fails, and nobody has to read a log."""
    try:
        yield
    except Exception as error:
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.PIPELINE_FAILED)
        message = str(error) if isinstance(error, TidemillError) else f"{type(error).__name__}: {error}"
        record(request, step, _failure(reason, message))
        raise


def ingest(request: TurnRequest, out: Path, read: Callable[[Path, str], pd.DataFrame]) -> dict[str, Any]:
    """Partitions joined with labels, as Parquet at `out`; `digest` is of its content."""
    import pandas as pd

    labels = pd.read_parquet(io.BytesIO(read_bytes(request.labels_uri)))
    spec = data.spec_of(request)

    with tempfile.TemporaryDirectory() as scratch:
        here = _fetched(request, Path(scratch))

        def table(partition: Partition) -> pd.DataFrame:
            return canonical(read(here[partition.id], spec.data.key), spec.data)

        def digest(partition: Partition) -> str:
            return data.delivered_digest(replace(partition, uri=str(here[partition.id])))

        frame = data.assemble(request, table, labels, digest)
    out.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(out, index=False)
    content = hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()).hexdigest()
    return record(
        request, "ingest", {"rows": len(frame), "digest": f"sha256:{content}", "partitions": len(request.partitions)}
    )


def _fetched(request: TurnRequest, scratch: Path) -> dict[str, Path]:
    try:
        places = fetch([partition.uri for partition in request.partitions], scratch)
    except FileNotFoundError as error:
        raise DataUnreadable(
            f"A partition was admitted and cannot be read any more: {error}. Deliver it again."
        ) from error
    return {partition.id: place for partition, place in zip(request.partitions, places, strict=True)}


def validate(request: TurnRequest, dataset: Path, validator: Validator) -> dict[str, Any]:
    """The suite on the whole snapshot, and what no suite knows: labels, hold-out. `verdict` is Passed or a reason."""
    import pandas as pd

    spec = data.spec_of(request)
    frame = pd.read_parquet(dataset)
    failures: list[str] = []
    if spec.data.expectations is not None and len(frame):
        # Row counts are a day's: the gate judged them. Keys are unique here by construction.
        inputs = frame.drop(columns=[spec.data.label.column])
        suite = join(request.root or request.project, spec.data.expectations)
        failures = validator.failures(inputs, suite, per_partition=False)
    objection = data.objection(frame, spec, request.as_of, failures)
    verdict, message = (PASSED, f"{len(frame)} labelled rows pass.") if objection is None else map(str, objection)
    return record(
        request, "validate", {"verdict": verdict, "message": message, "failures": failures, "rows": len(frame)}
    )


def features(request: TurnRequest, dataset: Path, out: Path) -> dict[str, Any]:
    """raw.parquet, X.parquet and late.npy in the folder `out`: the split is by time."""
    import pandas as pd

    spec = data.spec_of(request)
    prepared = data.prepare(pd.read_parquet(dataset), spec, request.as_of, Path(request.project))
    out.mkdir(parents=True, exist_ok=True)
    prepared.raw.to_parquet(out / "raw.parquet", index=False)
    prepared.X.to_parquet(out / "X.parquet", index=False)
    np.save(out / "late.npy", prepared.late)
    late = int(prepared.late.sum())
    return record(
        request, "features", {"train": len(prepared.raw) - late, "hold_out": late, "columns": list(prepared.X.columns)}
    )


def _prepared(request: TurnRequest, folder: Path) -> data.Prepared:
    import pandas as pd

    raw = pd.read_parquet(folder / "raw.parquet")
    y = raw[data.spec_of(request).data.label.column].astype(float)
    return data.Prepared(raw, pd.read_parquet(folder / "X.parquet"), y, np.load(folder / "late.npy"))


def train(request: TurnRequest, prepared_at: Path, out: Path) -> dict[str, Any]:
    """The evaluated twin and the baseline, on everything before the hold-out, pickled in the folder `out`."""
    spec, project = data.spec_of(request), Path(request.project)
    prepared = _prepared(request, prepared_at)
    out.mkdir(parents=True, exist_ok=True)
    for name, entry, previous in _trained(request, spec, "twin"):
        model = training.train(prepared, spec, project, entry, whole=False, previous=previous)
        (out / f"{name}.pkl").write_bytes(dump(model, project))
    return record(request, "train", {"rows": int((~prepared.late).sum()), "trainer": spec.model.trainer})


def _trained(request: TurnRequest, spec: ModelLoopSpec, name: str) -> list[tuple[str, str, Any]]:
    """(name, entry point, previous) of what is trained. The champion is what a trainer may start warm from; to the
    baseline it is a stranger."""
    previous = None if request.champion is None else training.estimator_of(_champion_model(request))
    return [(name, spec.model.trainer, previous), ("baseline", spec.model.baseline, None)]


def _champion_model(request: TurnRequest) -> Any:
    import cloudpickle

    from .artifact import model_file, verify

    assert request.champion is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = fetch_folder(request.champion.uri, Path(scratch) / "champion")
        verify(folder, request.champion.digest)
        return cloudpickle.loads(model_file(folder).read_bytes())


def evaluate_step(
    request: TurnRequest, prepared_at: Path, models: Path
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Record with `verdict`, `message` and figures; the challenger's probabilities and the labels of the hold-out."""
    import cloudpickle

    spec = data.spec_of(request)
    prepared = _prepared(request, prepared_at)
    twin, baseline = (cloudpickle.loads((models / f"{name}.pkl").read_bytes()) for name in ("twin", "baseline"))
    champion = request.champion
    verdict, figures, p = evaluate(
        prepared,
        spec,
        twin,
        baseline,
        None if champion is None else _champion_model(request),
        None if champion is None else champion.trained_until,
    )
    accepted = verdict.action is AcceptAction.ACCEPT
    outcome = {"verdict": ACCEPTED if accepted else str(verdict.reason), "message": verdict.message, **figures}
    return record(request, "evaluate", outcome), p, prepared.y.to_numpy()[prepared.late]


def refit(request: TurnRequest, prepared_at: Path, models: Path, out: Path) -> dict[str, Any]:
    """The accepted trainer on all rows, hold-out included, and the baseline likewise, as MLflow model folders."""
    from .artifact import digest, save

    spec, project = data.spec_of(request), Path(request.project)
    prepared = _prepared(request, prepared_at)
    sample = data.model_inputs(prepared.raw.tail(50), spec)
    digests = {}
    for name, entry, previous in _trained(request, spec, "model"):
        model = training.train(prepared, spec, project, entry, whole=True, previous=previous)
        if not np.isfinite(probabilities(model, sample, entry)).all():
            raise TrainerFailed(
                f"{entry} returned a model whose probabilities are not numbers, once trained on all rows."
            )
        save(out / name, dump(model, project), sample)
        digests[name] = digest(out / name)
    return record(request, "refit", {"rows": len(prepared.raw), "digests": digests})
