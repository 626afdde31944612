"""The model's inputs, split by time."""

from kfp import dsl

from . import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def features(
    request_uri: str, request_digest: str, dataset: dsl.Input[dsl.Dataset], prepared: dsl.Output[dsl.Dataset]
) -> None:
    """What the user's features function makes of the rows, and which of them are held out."""
    from pathlib import Path

    from tidemill.loop.turn import steps

    request = steps.load_request(request_uri, request_digest)
    with steps.explained(request, "features"):
        done = steps.patiently(lambda: steps.features(request, Path(dataset.path), Path(prepared.path)))
    prepared.metadata.update(train=done["train"], hold_out=done["hold_out"])
