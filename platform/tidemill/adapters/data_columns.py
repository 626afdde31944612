"""Whether the names in a spec are those of the data, as far as some was delivered: a wrong one would hold every day
back, or leave every row without a label, and only a tick would tell."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from tidemill.adapters.file_source import day_of
from tidemill.spec.forms import glob_of
from tidemill.spec.model_loop import ModelLoopSpec

Finding = tuple[tuple[str, ...], str, str]  # the field, what is wrong, a hint


def unknown_columns(spec: ModelLoopSpec, folder: Path) -> Iterator[Finding]:
    """By the last day's file, of which no more than the header is read. Nothing where there is none, or it cannot be
    read: a tick says more of that."""
    path = _last(spec, folder)
    columns = [] if path is None else _columns(path)
    if path is None or not columns:
        return
    data = spec.data
    needed = [(("spec", "data", "key"), data.key), (("spec", "data", "eventTime"), data.event_time)]
    needed += [(("spec", "evaluation", "slices"), name) for name in spec.evaluation.slices]
    for field, name in needed:
        if name not in columns:
            yield field, f"{path.relative_to(folder)} has no column {name}", _nearest(name, columns)
    unit = spec.rollout.judge.block_column
    if unit is not None and unit not in columns:
        hint = f"{_nearest(unit, columns)} Outcomes of requests without it do not count: rollouts stay inconclusive."
        yield ("spec", "rollout", "judge", "block", "column"), f"{path.relative_to(folder)} has no column {unit}", hint
    label = data.label.column
    if label not in columns and get_close_matches(label, columns):
        hint = f"{_nearest(label, columns)} Without it, labels come as outcomes alone."
        yield ("spec", "data", "label", "column"), f"{path.relative_to(folder)} has no column {label}", hint


def _last(spec: ModelLoopSpec, folder: Path) -> Path | None:
    source = spec.data.source
    pattern, format = (source.parquet, "parquet") if source.parquet is not None else (source.csv, "csv")
    assert pattern is not None, "the spec takes exactly one source"
    found = folder.glob(glob_of(pattern, format))
    return max((path for path in found if day_of(path.name) is not None), key=lambda path: path.name, default=None)


def _columns(path: Path) -> list[str]:
    try:
        if path.suffix == ".parquet":
            from pyarrow.parquet import read_schema

            return [str(name) for name in read_schema(path).names]
        import csv

        with path.open(newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file), [])
    except (OSError, ValueError):  # ArrowInvalid is one
        return []


def _nearest(name: str, columns: list[str]) -> str:
    near = get_close_matches(name, columns, n=1)
    return f"Did you mean {near[0]}?" if near else f"It has {', '.join(columns)}."
