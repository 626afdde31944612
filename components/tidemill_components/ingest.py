"""Partitions joined with labels."""

from typing import NamedTuple

from kfp import dsl

from . import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(request_uri: str, request_digest: str, dataset: dsl.Output[dsl.Dataset]) -> NamedTuple(
    "Ingested", [("digest", str), ("rows", int)]
):  # type: ignore[valid-type]
    """Rows that have a label, as Parquet, and the digest of their content."""
    from pathlib import Path
    from typing import NamedTuple

    from tidemill.adapters.file_source import read_table
    from tidemill.loop.turn import steps

    request = steps.load_request(request_uri, request_digest)
    with steps.explained(request, "ingest"):
        done = steps.patiently(lambda: steps.ingest(request, Path(dataset.path), read_table))
    dataset.metadata.update(rows=done["rows"], digest=done["digest"], partitions=done["partitions"])
    return NamedTuple("Ingested", [("digest", str), ("rows", int)])(done["digest"], done["rows"])
