"""What a cluster can run turns with, asked of the cluster itself; a clear answer where it can with nothing."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.loop.errors import TidemillError


class PipelineRunner(StrEnum):
    KUBEFLOW = "kubeflow"
    ARGO = "argo"


def serves_workflows(api: KubernetesApi) -> bool:
    """The API group alone does not tell: it is Argo CD's, Events' and Rollouts', too."""
    return "Workflow" in api.kinds("argoproj.io/v1alpha1")


def choose(kubeflow: str, workflows: bool, wanted: str = "") -> PipelineRunner:
    """Kubeflow Pipelines where the installation names its server (`kubeflow`, a URL), else Argo Workflows where the
    cluster serves them. `wanted` settles it; then what is wanted must be there."""
    there: Collection[PipelineRunner] = [
        *([PipelineRunner.KUBEFLOW] if kubeflow else []),
        *([PipelineRunner.ARGO] if workflows else []),
    ]
    if wanted:
        if wanted not in there:
            missing = "no URL of a Kubeflow Pipelines server is set" if wanted == PipelineRunner.KUBEFLOW else (
                "the cluster does not serve workflows.argoproj.io"
            )  # fmt: skip
            raise TidemillError(f"Turns are to run on {wanted}, but {missing}. Install it, or choose the other one.")
        return PipelineRunner(wanted)
    for runner in there:
        return runner
    raise TidemillError(
        "Nothing in this cluster can run turns: no URL of a Kubeflow Pipelines server is set, and the cluster does not "
        "serve workflows.argoproj.io. Name the server in the installation's values (Kubeflow Pipelines 2.0 or later), "
        "or install Argo Workflows (3.5 or later). Plain Jobs are not offered: they know no order between steps."
    )
