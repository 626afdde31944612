"""What people read of a turn: validation and evaluation as HTML, the dashboard's ROC and confusion, the model card."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from tidemill.loop.model import TurnRequest

Array = np.ndarray[Any, Any]
_STYLE = (
    "<style>body{font:15px system-ui,sans-serif;margin:1.5em}td,th{padding:.25em .8em;text-align:right}"
    "th:first-child,td:first-child{text-align:left}table{border-collapse:collapse}tr{border-bottom:1px solid #ddd}"
    "</style>"
)
_FIGURES = ("log_loss", "brier", "auc", "calibration_error")
_POINTS = 100  # of a ROC curve: what an eye can tell apart


def validation_html(record: Mapping[str, Any]) -> str:
    failed = "".join(f"<li>{escape(text)}</li>" for text in record["failures"])
    return (
        f"<!doctype html><meta charset=utf-8><title>Validation</title>{_STYLE}<h1>{escape(str(record['verdict']))}</h1>"
        f"<p>{escape(record['message'])}</p><ul>{failed}</ul>"
    )


def evaluation_html(record: Mapping[str, Any]) -> str:
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in _FIGURES)
    rows = "".join(
        f"<tr><td>{who}</td>{''.join(f'<td>{_figure(record[who].get(name))}</td>' for name in _FIGURES)}</tr>"
        for who in ("challenger", "champion", "baseline")
        if record[who]
    )
    slices = "".join(
        f"<tr><td>{escape(column)} = {escape(value)}</td><td>{s['rows']}</td>"
        f"<td>{_figure(s['challenger'])}</td><td>{_figure(s['champion'])}</td></tr>"
        for column, values in record["slices"].items()
        for value, s in values.items()
    )
    names = "<tr><th>slice</th><th>rows</th><th>challenger</th><th>champion</th></tr>"
    table = f"<h2>Slices</h2><table>{names}{slices}</table>"
    return (
        f"<!doctype html><meta charset=utf-8><title>Evaluation</title>{_STYLE}<h1>{escape(str(record['verdict']))}</h1>"
        f"<p>{escape(record['message'])}</p><table><tr><th>on {record['rows']} rows</th>{head}</tr>{rows}</table>"
        f"{table if slices else ''}"
    )


def roc(p: Array, y: Array) -> tuple[list[float], list[float], list[float]] | None:
    """False positive rate, true positive rate, threshold at up to 100 points after the origin; None where there is no
    curve."""
    positives, negatives = float(y.sum()), float(len(y) - y.sum())
    if not positives or not negatives or not np.isfinite(p).all():
        return None
    order = np.argsort(-p, kind="stable")
    hits, misses, thresholds = np.cumsum(y[order]), np.cumsum(1 - y[order]), p[order]
    # Rows of one probability are one point: the order among them says nothing.
    ends = np.flatnonzero(np.append(np.diff(thresholds) != 0, True))
    at = ends[np.unique(np.linspace(0, len(ends) - 1, _POINTS).astype(int))]
    false, true = (misses[at] / negatives).tolist(), (hits[at] / positives).tolist()
    return [0.0, *false], [0.0, *true], [1.0, *thresholds[at].tolist()]


def confusion(p: Array, y: Array) -> list[list[int]]:
    """Rows are true classes, columns predicted ones, at probability one half."""
    guessed = p >= 0.5
    return [[int(((y == truth) & (guessed == guess)).sum()) for guess in (0, 1)] for truth in (0, 1)]


def model_card(request: TurnRequest, records: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: what it is, what it was trained on, how it did, and what exactly serves."""
    evaluated, refitted, ingested = records["evaluate"], records["refit"], records["ingest"]
    first, last = request.partitions[0].id, request.partitions[-1].id
    parent = "none: the first model of its loop" if request.champion is None else f"version {request.champion.version}"
    data = f"{len(request.partitions)} admitted partitions, {first} to {last}; {ingested['rows']} labelled rows"
    figures = "\n".join(
        f"| {who} | " + " | ".join(_figure(evaluated[who].get(name)) for name in _FIGURES) + " |"
        for who in ("challenger", "champion", "baseline")
        if evaluated[who]
    )
    slices = "\n".join(
        f"| {_cell(column)} = {_cell(value)} | {s['rows']} | {_figure(s['challenger'])} | {_figure(s['champion'])} |"
        for column, values in evaluated["slices"].items()
        for value, s in values.items()
    )
    return f"""# {request.loop}, turn {request.id}

{evaluated["message"]}

| | |
|---|---|
| trained by | `{records["train"]["trainer"]}` because of {", ".join(request.signals)} |
| as of | {request.as_of:%Y-%m-%d %H:%M}Z |
| data | {data}, {ingested["digest"][:23]}... |
| parent | {parent} |
| artifact | {refitted["digests"]["model"][:23]}... |

## On the hold-out, {evaluated["rows"]} rows later than all it was trained on

| | {" | ".join(name.replace("_", " ") for name in _FIGURES)} |
|---|{"---|" * len(_FIGURES)}
{figures}

These are the figures of a twin that was trained on the {records["train"]["rows"]} rows before the hold-out. What serves
was then trained in the same way on all {refitted["rows"]} rows; the rollout judges it on live outcomes.
{_slice_table(slices)}"""


def _cell(text: str) -> str:
    """Text that cannot end its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _slice_table(rows: str) -> str:
    if not rows:
        return ""
    return f"\n## Slices\n\n| slice | rows | challenger | champion |\n|---|---|---|---|\n{rows}\n"


def _figure(value: Any) -> str:
    return "not a number" if value is None else f"{value:.4f}"
