"""Hard expectations by Great Expectations (1.x): a JSON suite and a frame in, a sentence for each that fails out."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.loop.errors import SuiteUnusable, TidemillError
from tidemill.loop.turn.files import read_bytes

if TYPE_CHECKING:
    import pandas as pd

_WHERE = ("column", "column_list", "column_A", "column_B", "batch_id")
_ROW_COUNTS = ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")


class GreatExpectationsValidator:
    """Keeps its context and suites: a tick validates in tens of milliseconds once the library is imported."""

    def __init__(self) -> None:
        self._batches: Any = None
        self._suites: dict[tuple[str, bytes, bool], Any] = {}

    def failures(self, frame: pd.DataFrame, suite: str, per_partition: bool = True) -> list[str]:
        """One sentence for each expectation of the suite (a file's path or URI) that does not hold.

        With `per_partition` False the frame is many partitions: expectations on the number of rows do not apply.
        An expectation that cannot be evaluated (its column is missing, say) does not hold. Raises SuiteUnusable naming
        the suite where it cannot be read or is none.
        """
        batches = self._open()
        loaded = self._suite(suite, per_partition)
        batch = batches.get_batch({"dataframe": frame})
        # Examples of what does not hold double the time: they are looked for only where something does not.
        result = batch.validate(loaded, result_format="BOOLEAN_ONLY")
        if result.success:
            return []
        result = batch.validate(loaded)
        return [_sentence(found) for found in result.results if not found.success]

    def _open(self) -> Any:
        if self._batches is None:
            gx = library()
            from great_expectations.data_context.types.base import ProgressBarsConfig

            context = gx.get_context(mode="ephemeral")
            context.variables.progress_bars = ProgressBarsConfig(globally=False)
            asset = context.data_sources.add_pandas("delivered").add_dataframe_asset("partition")
            self._batches = asset.add_batch_definition_whole_dataframe("whole")
        return self._batches

    def _suite(self, uri: str, per_partition: bool) -> Any:
        try:
            text = read_bytes(uri)
        except FileNotFoundError as error:
            raise SuiteUnusable(f"There is no expectation suite at {uri}: correct data.expectations.") from error
        except OSError as error:
            raise SuiteUnusable(f"The expectation suite at {uri} cannot be read: {error}.") from error
        key = (uri, text, per_partition)
        if key not in self._suites:
            self._suites[key] = _load(uri, text, per_partition)
        return self._suites[key]


def library() -> Any:
    """Great Expectations. Raises TidemillError where it is not installed."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    # What it logs as an error is raised here, or told as a failure: a stack trace beside that helps nobody. Set before
    # it is imported: that alone says a hundred lines.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    try:
        import great_expectations as gx
    except ImportError as error:
        raise TidemillError(
            "data.expectations needs Great Expectations: install it with `pip install tidemill[pipelines]`."
        ) from error
    return gx


def _load(uri: str, text: bytes, per_partition: bool) -> Any:
    import great_expectations as gx

    try:
        document = json.loads(text)
        kept = [e for e in document["expectations"] if per_partition or e["type"] not in _ROW_COUNTS]
        suite = gx.ExpectationSuite(name=document.get("name", Path(uri).stem), expectations=kept)
    except Exception as error:  # the library raises a dozen kinds for what is no suite
        raise SuiteUnusable(
            f"{uri} is no Great Expectations 1.x suite: {error}. See its `expectations` list."
        ) from error
    # The library leaves out what it does not know, and only logs that: a gate that is open without anyone knowing.
    unknown = {e["type"] for e in kept} - {e.expectation_type for e in suite.expectations}
    if unknown:
        raise SuiteUnusable(
            f"{uri} has expectations that Great Expectations does not know: {', '.join(sorted(unknown))}."
        )
    return suite


def _sentence(found: Any) -> str:
    config = found.expectation_config
    raised = _raised(found.exception_info)
    pair = [config.kwargs[name] for name in ("column_A", "column_B") if name in config.kwargs]
    column = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", pair)) or "table"
    if raised is not None:
        return f"{column}: {config.type} could not be evaluated ({raised})"
    wanted = {k: v for k, v in config.kwargs.items() if k not in _WHERE}
    result = found.result or {}
    seen = ""
    if result.get("unexpected_percent") is not None:
        some = ", ".join(str(value) for value in dict.fromkeys(map(str, result.get("partial_unexpected_list", [])[:3])))
        seen = f"; {result['unexpected_percent']:.1f}% of the rows do not" + (f", such as {some}" if some else "")
    elif result.get("observed_value") is not None:
        seen = f"; it is {str(result['observed_value'])[:80]}"
    told = ", ".join(f"{key} {str(value)[:60]}" for key, value in wanted.items())
    return f"{column}: {config.type.removeprefix('expect_')}" + (f" ({told})" if told else "") + seen


def _raised(info: Any) -> str | None:
    if not isinstance(info, dict) or not info:
        return None
    if "raised_exception" in info:
        return str(info.get("exception_message")) if info["raised_exception"] else None
    first = next(iter(info.values()))
    return str(first.get("exception_message")) if isinstance(first, dict) and first.get("raised_exception") else None
