"""The user's trainer, on everything before the hold-out."""

from kfp import dsl

from . import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    request_uri: str, request_digest: str, prepared: dsl.Input[dsl.Dataset], models: dsl.Output[dsl.Model]
) -> None:
    """The twin that is evaluated, and the baseline."""
    from pathlib import Path

    from tidemill.loop.turn import steps

    request = steps.load_request(request_uri, request_digest)
    with steps.explained(request, "train"):
        done = steps.patiently(lambda: steps.train(request, Path(prepared.path), Path(models.path)))
    models.metadata.update(rows=done["rows"], trainer=done["trainer"])
