"""What a Pod's status and log say of a step that could not say it itself."""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.adapters.kubernetes.pod_state import ended, images, waiting

ARGO = 'time=2026-01-01T00:00:00.000Z level=INFO msg="sub-process exited" argo=true error="exit status {}"\n'


def pod(state: dict[str, Any], **status: Any) -> dict[str, Any]:
    named = {"name": "main", "image": "here/it:1", "state": state}
    return {"metadata": {"namespace": "n", "name": "p"}, "status": {"containerStatuses": [named], **status}}


def exited(code: int, reason: str = "Error") -> dict[str, Any]:
    return pod({"terminated": {"exitCode": code, "reason": reason}})


def test_what_argo_says_at_the_end_are_not_the_steps_last_words() -> None:
    after = ARGO.format(137) + "Error: exit status 137\n"
    found = ended(exited(137), "train", "epoch 1\n" + after)
    assert found.killed
    assert "without a word" in found.why
    found = ended(exited(3), "train", "KeyError: 'weather'\n" + ARGO.format(3) + "Error: exit status 3\n")
    assert (found.why, found.killed) == ("KeyError: 'weather' (exit code 3)", False)


def test_a_step_that_ran_out_of_memory_was_killed() -> None:
    found = ended(exited(137, "OOMKilled"), "train", "MemoryError: of something else\n")
    assert found.killed
    assert "OOMKilled" in found.why


def test_a_step_that_said_nothing_is_said_to_have() -> None:
    assert ended(exited(2), "train", "").why == "it said nothing (exit code 2)"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}, "the image here/it:1 could not be"),
        ({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}}, 'secret "s" not'),
        ({"waiting": {"reason": "PodInitializing"}}, ""),
        ({"running": {}}, ""),
    ],
)
def test_what_keeps_a_pod_waiting_is_named(state: dict[str, Any], said: str) -> None:
    found = waiting(pod(state))
    assert said in found
    assert bool(found) is bool(said)


def test_a_pod_that_no_node_takes_says_why() -> None:
    lacks = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    found = {"metadata": {}, "status": {"conditions": [lacks]}}
    assert waiting(found) == "no node takes its Pod (Unschedulable: 0/3 nodes)"


SIGTERM = {"exitCode": 143, "reason": "Error", "finishedAt": "2026-01-01T12:00:05Z"}


def deleted(at: str, grace: int = 30) -> dict[str, Any]:
    found = pod({"terminated": SIGTERM})
    found["metadata"] |= {"deletionTimestamp": at, "deletionGracePeriodSeconds": grace}
    return found


def test_a_pod_that_was_deleted_while_it_ran_was_lost() -> None:
    found = ended(deleted("2026-01-01T12:00:30Z"), "train", "Terminated")
    assert (found.lost, found.killed, found.why) == (True, False, "its Pod p was deleted")


def test_a_pod_that_was_deleted_once_it_had_ended_failed_by_itself() -> None:
    found = ended(deleted("2026-01-01T12:01:00Z"), "train", "KeyError: 'weather'")
    assert (found.lost, found.why) == (False, "KeyError: 'weather' (exit code 143)")


@pytest.mark.parametrize(
    "status",
    [
        {"reason": "Evicted", "message": "The node was low on resource: memory."},
        {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]},
    ],
)
def test_a_pod_that_was_evicted_was_lost(status: dict[str, Any]) -> None:
    found = ended(pod({"terminated": SIGTERM}, **status), "train", "")
    assert found.lost
    assert "Evict" in found.why


def ran(reference: str, image_id: str, container: str = "main") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "n", "name": "p"},
        "spec": {"containers": [{"name": container, "image": reference}]},
        "status": {"containerStatuses": [{"name": container, "image": "normalised/it", "imageID": image_id}]},
    }


def test_the_images_of_steps_have_the_digests_that_their_nodes_pulled() -> None:
    first, second = "sha256:" + 64 * "1", "sha256:" + 64 * "2"
    pods = [
        ran("it:1", f"docker.io/library/it@{first}"),
        ran("it:1", f"docker-pullable://it@{second}"),
        ran("it:1", f"docker.io/library/it@{first}"),
        ran("other:1", f"other@{second}"),
    ]
    assert images(pods) == {"it:1": (first, second), "other:1": (second,)}


@pytest.mark.parametrize("image_id", ["", "sha256:" + 64 * "1", "it:1"])
def test_an_image_that_no_registry_gave_has_no_digest(image_id: str) -> None:
    assert images([ran("it:1", image_id)]) == {}


def test_containers_beside_the_step_and_pods_that_never_ran_say_nothing_of_its_image() -> None:
    beside = ran("argo:1", "argo@sha256:" + 64 * "1", "wait")
    assert images([beside, {"metadata": {}, "status": {"phase": "Pending"}}]) == {}
