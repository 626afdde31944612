"""The accepted trainer once more, on all rows."""

from kfp import dsl

from . import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def refit(
    request_uri: str,
    request_digest: str,
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[dsl.Model],
    refitted: dsl.Output[dsl.Model],
) -> None:
    """What will serve, as MLflow model folders with their digests."""
    from pathlib import Path

    from tidemill.loop.turn import steps

    request = steps.load_request(request_uri, request_digest)
    with steps.explained(request, "refit"):
        done = steps.patiently(
            lambda: steps.refit(request, Path(prepared.path), Path(models.path), Path(refitted.path))
        )
    refitted.metadata.update(rows=done["rows"], **done["digests"])
