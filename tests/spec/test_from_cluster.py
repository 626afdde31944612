from __future__ import annotations

from typing import Any

import pytest
import yaml
from loops import LOOP
from tidemill.spec.errors import SpecError
from tidemill.spec.from_cluster import from_cluster
from tidemill.spec.model_loop import ModelLoop
from tidemill.spec.model_rollout import ModelRollout


def found(**spec: Any) -> dict[str, Any]:
    """As the API server would hand it out."""
    document = yaml.safe_load(LOOP)
    document["spec"] |= spec
    document["metadata"] |= {
        "uid": "3f0c",
        "generation": 2,
        "resourceVersion": "42",
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "tidemill.dev/woken-at": "2026-11-21T12:00:00Z",
            "team": "shop",
        },
    }
    return {**document, "status": {"observedGeneration": 2}}


def test_a_loop_of_the_cluster_is_the_loop_of_its_file() -> None:
    loop = from_cluster(found(), ModelLoop)
    assert loop.spec == ModelLoop.model_validate(yaml.safe_load(LOOP)).spec
    assert loop.metadata.annotations == {"team": "shop"}


def test_what_the_api_server_let_in_is_told_as_validate_tells_it() -> None:
    with pytest.raises(SpecError) as caught:
        from_cluster(found(triggers={"newData": {"growht": "25%"}, "schedule": "0 4 * *"}), ModelLoop)
    assert sorted(str(caught.value).splitlines()) == [
        "modelloop/visits: spec.triggers.newData.growht: unknown field. Did you mean growth?",
        "modelloop/visits: spec.triggers.schedule: '0 4 * *' is not a cron expression of five fields, such as "
        "'0 4 * * 1' (Mondays at 04:00)",
    ]


def test_a_rollout_is_read_with_its_status() -> None:
    spec = {"loop": "visits", "challenger": "7", "turn": "t", "steps": [{"shadow": "100%", "minOutcomes": 1}]}
    document = {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": "visits-7", "namespace": "shop", "ownerReferences": []},
        "spec": {**spec, "paused": True},
        "status": {"phase": "Paused"},
    }
    rollout = from_cluster(document, ModelRollout)
    assert (rollout.spec.paused, rollout.status.phase) == (True, "Paused")
    assert from_cluster({**document, "status": {}}, ModelRollout).status.phase == "Preparing"
