"""What a cluster can run turns with, asked of the cluster itself; a clear answer where it can with nothing."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from tidemill.loop.errors import TemporaryError, TidemillError

_ARGO = "argoproj.io"
_SECONDS = 30


class PipelineRunner(StrEnum):
    KUBEFLOW = "kubeflow"
    ARGO = "argo"


def api_groups(client: Any) -> frozenset[str]:
    """The API groups that the cluster serves. `client` is a `kubernetes.client.ApiClient`."""
    from kubernetes.client import ApiException, ApisApi
    from urllib3.exceptions import HTTPError

    try:
        found = ApisApi(client).get_api_versions(_request_timeout=_SECONDS)
    except (ApiException, HTTPError) as error:
        raise TemporaryError(f"The Kubernetes API does not say which API groups it serves: {error}.") from error
    return frozenset(group.name for group in found.groups)


def serves_workflows(client: Any) -> bool:
    """The group is Argo Events', Rollouts' and CD's, too: it is Workflows' if it has that resource."""
    from kubernetes.client import ApiException, CustomObjectsApi
    from urllib3.exceptions import HTTPError

    if _ARGO not in api_groups(client):
        return False
    try:
        found = CustomObjectsApi(client).get_api_resources(_ARGO, "v1alpha1", _request_timeout=_SECONDS)
    except ApiException as error:
        if error.status == 404:
            return False
        raise TemporaryError(f"The Kubernetes API does not say what {_ARGO} serves: {error.reason}.") from error
    except HTTPError as error:
        raise TemporaryError(f"The Kubernetes API does not say what {_ARGO} serves: {error}.") from error
    return any(resource.name == "workflows" for resource in found.resources)


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
