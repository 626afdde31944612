"""What turns run on in a cluster, and what is said where nothing can run them."""

from __future__ import annotations

import pytest
from tidemill.adapters.cluster_runners import PipelineRunner, choose
from tidemill.loop.errors import TidemillError

KUBEFLOW = "http://ml-pipeline.kubeflow:8888"


@pytest.mark.parametrize(
    ("kubeflow", "workflows", "wanted", "chosen"),
    [
        (KUBEFLOW, True, "", PipelineRunner.KUBEFLOW),
        (KUBEFLOW, False, "", PipelineRunner.KUBEFLOW),
        ("", True, "", PipelineRunner.ARGO),
        (KUBEFLOW, True, "argo", PipelineRunner.ARGO),
    ],
)
def test_kubeflow_goes_before_argo_unless_argo_is_wanted(
    kubeflow: str, workflows: bool, wanted: str, chosen: PipelineRunner
) -> None:
    assert choose(kubeflow, workflows, wanted) is chosen


def test_with_neither_nothing_is_made_up() -> None:
    with pytest.raises(TidemillError, match="Plain Jobs are not offered"):
        choose("", False)


@pytest.mark.parametrize(("wanted", "said"), [("argo", "workflows.argoproj.io"), ("kubeflow", "no URL")])
def test_what_is_wanted_and_not_there_is_said(wanted: str, said: str) -> None:
    with pytest.raises(TidemillError, match=said):
        choose(KUBEFLOW if wanted == "argo" else "", wanted == "kubeflow", wanted)
