"""The steps of a turn on files: what each Kubeflow component calls. One step reads what the one before it wrote.

A step's record has the digest of each file that it wrote. The step that reads the file checks it, before anything is
unpickled or parsed. A step that is run again writes the same.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.accept import AcceptAction
from tidemill.loop.errors import DataUnreadable
from tidemill.loop.frames import canonical
from tidemill.loop.model import Partition, TurnRequest
from tidemill.loop.ports import Validator
from tidemill.spec.model_loop import ModelLoopSpec

from . import data, training
from .evaluation import evaluate
from .files import fetch, fetch_folder, join, read_bytes
from .handed_on import read_frame, read_written, write, write_frame
from .patience import patiently as patiently
from .records import ACCEPTED as ACCEPTED
from .records import PASSED as PASSED
from .records import explained as explained
from .records import load_request as load_request
from .records import record as record
from .records import records as records
from .user_code import TrainerFailed, dump, probabilities

if TYPE_CHECKING:
    import pandas as pd


def ingest(request: TurnRequest, out: Path, read: Callable[[Path, str], pd.DataFrame]) -> dict[str, Any]:
    """Partitions joined with labels, as Parquet at `out`; `digest` is of its content."""
    import pandas as pd

    labels = data.labels_of(request, read_bytes(request.labels_uri))
    spec = data.spec_of(request)

    with tempfile.TemporaryDirectory() as scratch:
        here = _fetched(request, Path(scratch))

        def table(partition: Partition) -> pd.DataFrame:
            return canonical(read(here[partition.id], spec.data.key), spec.data)

        def digest(partition: Partition) -> str:
            return data.delivered_digest(replace(partition, uri=str(here[partition.id])))

        frame = data.assemble(request, table, labels, digest)
    files = write_frame(out, frame)
    content = hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()).hexdigest()
    done = {"rows": len(frame), "digest": f"sha256:{content}", "partitions": len(request.partitions), "files": files}
    return record(request, "ingest", done)


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
    spec = data.spec_of(request)
    frame = read_frame(request, "ingest", dataset)
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
    spec = data.spec_of(request)
    frame = read_frame(request, "ingest", dataset)
    prepared = data.prepare(frame, spec, request.as_of, Path(request.project))
    split = io.BytesIO()
    np.save(split, prepared.late)
    files = {
        **write_frame(out / "raw.parquet", prepared.raw),
        **write_frame(out / "X.parquet", prepared.X),
        **write(out / "late.npy", split.getvalue()),
    }
    late = int(prepared.late.sum())
    done = {"train": len(prepared.raw) - late, "hold_out": late, "columns": list(prepared.X.columns), "files": files}
    return record(request, "features", done)


def _prepared(request: TurnRequest, folder: Path) -> data.Prepared:
    raw, X = (read_frame(request, "features", folder / name) for name in ("raw.parquet", "X.parquet"))
    late = np.load(io.BytesIO(read_written(request, "features", folder / "late.npy")))
    return data.Prepared(raw, X, raw[data.spec_of(request).data.label.column].astype(float), late)


def train(request: TurnRequest, prepared_at: Path, out: Path) -> dict[str, Any]:
    """The evaluated twin and the baseline, on everything before the hold-out, pickled in the folder `out`."""
    spec, project = data.spec_of(request), Path(request.project)
    prepared = _prepared(request, prepared_at)
    files: dict[str, str] = {}
    for name, entry, previous in _trained(request, spec, "twin"):
        model = training.train(prepared, spec, project, entry, whole=False, previous=previous)
        files |= write(out / f"{name}.pkl", dump(model, project))
    rows = int((~prepared.late).sum())
    return record(request, "train", {"rows": rows, "trainer": spec.model.trainer, "files": files})


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
    pickled = (read_written(request, "train", models / f"{name}.pkl") for name in ("twin", "baseline"))
    twin, baseline = map(cloudpickle.loads, pickled)
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
