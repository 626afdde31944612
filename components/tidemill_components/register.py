"""Into MLflow, once a turn, with digests, schema, parents and the model card."""

from kfp import dsl

from . import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    request_uri: str, request_digest: str, refitted: dsl.Input[dsl.Model], card: dsl.Output[dsl.Markdown]
) -> str:
    """The version's number."""
    from pathlib import Path

    from tidemill.adapters.register_turn import register_turn
    from tidemill.loop.turn import steps

    request = steps.load_request(request_uri, request_digest)
    with steps.explained(request, "register"):
        done, text = steps.patiently(lambda: register_turn(request, Path(refitted.path)))
    Path(card.path).write_text(text)
    return done["version"]
