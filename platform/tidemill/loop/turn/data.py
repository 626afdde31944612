"""A turn's data: partitions joined with labels, checked, and split by time."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import ArtifactChanged, DataUnreadable
from tidemill.loop.model import Partition, TurnRequest
from tidemill.spec.model_loop import ModelLoop, ModelLoopSpec

from .files import read_bytes
from .snapshot import snapshot_of
from .user_code import TrainerFailed, load, users

if TYPE_CHECKING:
    import pandas as pd


def spec_of(request: TurnRequest) -> ModelLoopSpec:
    return ModelLoop.model_validate(request.spec).spec


def labels_of(request: TurnRequest, content: bytes) -> pd.DataFrame:
    """The labels (key, label) of the request's snapshot. Raises ArtifactChanged where these are others."""
    import pandas as pd

    changed = f"The labels at {request.labels_uri} are not those of the turn's snapshot. Nothing was trained on them; "
    changed += "find out what changes files of a turn. The next turn writes its own."
    try:
        labels = pd.read_parquet(io.BytesIO(content))
        found = snapshot_of(request.partitions, labels)
    except Exception as error:  # no table any more, or another one
        raise ArtifactChanged(changed) from error
    if found != request.snapshot:
        raise ArtifactChanged(changed)
    return labels


def assemble(
    request: TurnRequest,
    read: Callable[[Partition], pd.DataFrame],
    labels: pd.DataFrame,
    digest: Callable[[Partition], str],
) -> pd.DataFrame:
    """All rows that have a label, by event time, then as delivered. Each key once, the last delivered.

    `read` gives canonical frames. Raises DataUnreadable where a partition's bytes are no longer those that
    were admitted.
    """
    import pandas as pd

    data = spec_of(request).data
    frames = []
    for partition in request.partitions:
        found = digest(partition)
        if found != partition.digest:
            raise DataUnreadable(
                f"Partition {partition.id} changed after it was admitted ({partition.digest[:19]}... is now "
                f"{found[:19]}...). The next tick judges it again; this turn does not train on it."
            )
        frame = read(partition)
        frames.append(frame.drop(columns=data.label.column) if data.label.column in frame else frame)
    rows = pd.concat(frames, ignore_index=True).drop_duplicates(data.key, keep="last")
    named = labels.rename(columns={"key": data.key, "label": data.label.column})[[data.key, data.label.column]]
    return rows.merge(named, on=data.key, how="inner").sort_values(data.event_time, kind="stable", ignore_index=True)


def delivered_digest(partition: Partition) -> str:
    """Of the bytes that are there now. Raises DataUnreadable where there are none."""
    try:
        return "sha256:" + hashlib.sha256(read_bytes(partition.uri)).hexdigest()
    except OSError as error:
        raise DataUnreadable(
            f"Partition {partition.id} was admitted and cannot be read any more: {error}. Deliver it again."
        ) from error


def objection(
    frame: pd.DataFrame, spec: ModelLoopSpec, as_of: datetime, failures: list[str]
) -> tuple[Reason, str] | None:
    """Why a snapshot is not trained on, or None."""
    label = spec.data.label.column
    if frame.empty:
        return Reason.DATA_REJECTED, "No admitted row has a label yet: send outcomes, or wait for them."
    unknown = [column for column in spec.evaluation.slices if column not in frame]
    if unknown:
        return Reason.DATA_REJECTED, f"evaluation.slices names {', '.join(unknown)}; the data has no such column."
    values = set(frame[label].unique())
    if not values <= {0.0, 1.0}:
        shown = ", ".join(map(str, sorted(values - {0.0, 1.0})[:3]))
        return Reason.DATA_REJECTED, f"The label {label} holds {shown}; a binary label is 0 or 1."
    if failures:
        more = f", and {len(failures) - 3} more" if len(failures) > 3 else ""
        return (
            Reason.DATA_REJECTED,
            f"The snapshot fails {len(failures)} expectation(s): {'; '.join(failures[:3])}{more}.",
        )
    newest = frame[spec.data.event_time].max()
    frame = windowed(frame, spec, as_of)
    late = held_out(frame, spec, as_of)
    if not late.any():
        return (
            Reason.DATA_REJECTED,
            f"No labelled row lies in the hold-out, the last {_days(spec.window.hold_out)} days before "
            f"{as_of:%Y-%m-%d}: the newest is of {newest:%Y-%m-%d}.",
        )
    if len(set(frame.loc[~late, label])) < 2:
        return Reason.DATA_REJECTED, f"The {int((~late).sum())} rows before the hold-out hold one class only."
    return None


def held_out(frame: pd.DataFrame, spec: ModelLoopSpec, as_of: datetime) -> pd.Series[bool]:
    """True for the rows of the last holdOut before `as_of`: split by time, never at random."""
    import pandas as pd

    mask: pd.Series[bool] = frame[spec.data.event_time] >= pd.Timestamp(as_of - spec.window.hold_out)
    return mask


@dataclass(frozen=True)
class Prepared:
    """`raw` rows by time; `X` what the user's features make of them (same rows); `y` labels; `late` the hold-out."""

    raw: pd.DataFrame
    X: pd.DataFrame
    y: pd.Series[float]
    late: np.ndarray[Any, Any]


def prepare(frame: pd.DataFrame, spec: ModelLoopSpec, as_of: datetime, project: Path) -> Prepared:
    """Takes the window, applies `spec.model.features`. Raises TrainerFailed where that function raises, or returns
    anything but a frame of the same rows."""
    frame = windowed(frame, spec, as_of)
    inputs = model_inputs(frame, spec)
    y = frame[spec.data.label.column].astype(float)
    X = inputs if spec.model.features is None else _features(inputs, project, spec.model.features)
    return Prepared(frame, X, y, held_out(frame, spec, as_of).to_numpy())


def windowed(frame: pd.DataFrame, spec: ModelLoopSpec, as_of: datetime) -> pd.DataFrame:
    """The hold-out and, before it, rows as old as `window.train` allows."""
    import pandas as pd

    if spec.window.train == "all":
        return frame
    first = as_of - spec.window.hold_out - spec.window.train
    return frame[frame[spec.data.event_time] >= pd.Timestamp(first)].reset_index(drop=True)


def _features(inputs: pd.DataFrame, project: Path, entry: str) -> pd.DataFrame:
    import pandas as pd

    function = load(project, entry)
    with users(f"{entry} raised"):
        X = function(inputs.copy())
    if not isinstance(X, pd.DataFrame) or len(X) != len(inputs):
        raise TrainerFailed(
            f"{entry} returned a {type(X).__name__}{f' of {len(X)} rows' if hasattr(X, '__len__') else ''} for "
            f"{len(inputs)} rows. Return a DataFrame with one row for each row that it is given."
        )
    return X


def model_inputs(frame: pd.DataFrame, spec: ModelLoopSpec) -> pd.DataFrame:
    """What a model is given: everything but key and label."""
    return frame.drop(columns=[spec.data.key, spec.data.label.column], errors="ignore")


def _days(duration: timedelta) -> str:
    return f"{duration / timedelta(days=1):g}"
