"""Rows of the prediction log as Arrow tables: their columns and types, their day, and which of them are evidence."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.loop.model import Role

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_EVIDENCE = [str(role) for role in Role]  # a version that was asked for by name is not an arm of anything


def merged_name(parts: Sequence[str]) -> str:
    """Of the part that parts are merged into: the same for the same ones, and as old as the oldest."""
    age = parts[0].split("-")[1]
    name = hashlib.blake2b("".join(parts).encode(), digest_size=16).hexdigest()
    return f"part-{age}-{name}.parquet"


def schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {
        pa.string(): ("request_id", "key", "version", "role", "status", "calibrator", "unit"),
        pa.timestamp("us", tz="UTC"): ("event_time", "at"),
        pa.bool_(): ("served", "fallback"),
        pa.float64(): ("raw", "score", "latency_ms", "weight"),
    }
    return pa.schema([(name, kind) for kind, names in kinds.items() for name in names])


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """The rows of all tables. A column that an older release did not write is null; one that only a newer release
    writes is kept."""
    import pyarrow as pa

    return pa.concat_tables([as_table([]), *tables], promote_options="default")


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    for row in rows:
        for name in ("event_time", "at"):
            row[name] = datetime.fromisoformat(row[name]).astimezone(UTC)
    return pa.Table.from_pylist(rows, schema=schema())


def parsed(content: bytes) -> pa.Table:
    """Whole JSON lines, as `as_table` would have them: seven times faster, and without holding up other threads.
    Raises ValueError for what is no JSON."""
    import pyarrow as pa
    import pyarrow.json as pj

    if not content:
        return as_table([])
    return pj.read_json(
        pa.BufferReader(content),
        parse_options=pj.ParseOptions(explicit_schema=schema(), unexpected_field_behavior="ignore"),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(content) + 1),
    )


def by_day(table: pa.Table) -> dict[str, pa.Table]:
    import pyarrow.compute as pc

    if not table.num_rows:
        return {}
    day_of = pc.strftime(table["event_time"], format="%Y-%m-%d")
    return {day: table.filter(pc.equal(day_of, day)) for day in pc.unique(day_of).to_pylist()}


def days(start: datetime, end: datetime) -> list[str]:
    first, last = start.astimezone(UTC).date(), (end - timedelta(microseconds=1)).astimezone(UTC).date()
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]


def first_of_each(table: pa.Table, start: datetime, end: datetime) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.compute as pc

    moment = table["event_time"]
    wanted = pc.and_(pc.greater_equal(moment, pa.scalar(start)), pc.less(moment, pa.scalar(end)))
    wanted = pc.and_(wanted, pc.is_in(table["role"], value_set=pa.array(_EVIDENCE)))
    frame: pd.DataFrame = table.select(schema().names).filter(wanted).to_pandas()
    # Stable: what was logged at the same time stays in the order in which it was written.
    frame = frame.sort_values("at", kind="stable")
    return frame.drop_duplicates(["key", "version"]).reset_index(drop=True)


def all_between(table: pa.Table, start: datetime, end: datetime) -> pd.DataFrame:
    """start <= at < end, every row once: one that is in a part and in its merger is one row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moment = table["at"]
    wanted = pc.and_(pc.greater_equal(moment, pa.scalar(start)), pc.less(moment, pa.scalar(end)))
    wanted = pc.and_(wanted, pc.is_in(table["role"], value_set=pa.array(_EVIDENCE)))
    frame: pd.DataFrame = table.select(schema().names).filter(wanted).to_pandas()
    frame = frame.drop_duplicates(["request_id", "key", "version", "at"])
    return frame.sort_values("at", kind="stable", ignore_index=True)


def logged_between(part: Path) -> tuple[datetime, datetime] | None:
    """The first and the last `at` of a part, from its footer; None where that does not say."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.ParquetFile(part).metadata
    except (pa.ArrowInvalid, OSError):  # whoever reads it deals with that
        return None
    column = next((n for n in range(footer.num_columns) if footer.schema.column(n).path == "at"), None)
    groups = [footer.row_group(n) for n in range(footer.num_row_groups)]
    bounds = [group.column(column).statistics for group in groups if column is not None]
    if not bounds or any(each is None or not each.has_min_max for each in bounds):
        return None
    return min(each.min for each in bounds), max(each.max for each in bounds)


def as_parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
