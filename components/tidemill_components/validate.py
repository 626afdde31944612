"""The snapshot against the loop's expectations."""

from kfp import dsl

from . import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    request_uri: str,
    request_digest: str,
    data_digest: str,
    dataset: dsl.Input[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
) -> str:
    """`Passed`, or the reason why this snapshot is not trained on."""
    from pathlib import Path

    from tidemill.adapters.great_expectations import GreatExpectationsValidator
    from tidemill.loop.turn import cards, steps

    request = steps.load_request(request_uri, request_digest)
    with steps.explained(request, "validate"):
        done = steps.patiently(lambda: steps.validate(request, Path(dataset.path), GreatExpectationsValidator()))
    Path(report.path).write_text(cards.validation_html(done))
    return done["verdict"]
