"""Challenger, repaired champion and baseline on the same hold-out."""

from kfp import dsl

from . import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    request_uri: str,
    request_digest: str,
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    classification: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.HTML],
) -> str:
    """`Accepted`, or the reason why the challenger is not; figures, ROC and confusion matrix for the dashboard."""
    from pathlib import Path

    from tidemill.loop.turn import cards, steps

    request = steps.load_request(request_uri, request_digest)
    with steps.explained(request, "evaluate"):
        done, p, y = steps.patiently(lambda: steps.evaluate_step(request, Path(prepared.path), Path(models.path)))
    for who in ("challenger", "champion", "baseline"):
        for name, value in (done[who] or {}).items():
            if value is not None:
                metrics.log_metric(f"{who}_{name}", value)
    curve = cards.roc(p, y)
    if curve is not None:
        classification.log_roc_curve(*curve)
        classification.log_confusion_matrix(["0", "1"], cards.confusion(p, y))
    Path(report.path).write_text(cards.evaluation_html(done))
    return done["verdict"]
