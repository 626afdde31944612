"""Which admission policies are rendered, and what the controller is told of them."""

from __future__ import annotations

import pytest
import yaml
from chart_tools import CHART, named, render
from tidemill.spec.profile import Profile

VALUES = CHART / "ci" / "kubeflow-values.yaml"
MUTATING = "--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy"
CHECKS = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
WRITES = {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}


@pytest.mark.parametrize(
    ("options", "kinds", "names"),
    [
        ((), CHECKS, "policy"),
        ((MUTATING,), CHECKS | WRITES, "policy"),
        (("--set=rbac.create=false",), set(), "unknown"),
        (("--set=rbac.create=false,rbac.askedBy=present",), set(), "policy"),
        (("--set=rbac.askedBy=none", MUTATING), set(), "unknown"),
    ],
)
def test_names_are_believed_where_policies_keep_them_true(
    options: tuple[str, ...], kinds: set[str], names: str
) -> None:
    objects = render(VALUES, *options)
    assert {one["kind"] for one in objects if one["kind"].endswith(("Policy", "PolicyBinding"))} - {
        "NetworkPolicy"
    } == kinds
    profile = yaml.safe_load(named(objects, "ConfigMap", "tidemill-profile")["data"]["profile.yaml"])
    assert Profile.model_validate(profile).spec.names == names


def test_an_abort_waits_for_no_name() -> None:
    objects = render(VALUES, MUTATING)
    assert named(objects, "MutatingAdmissionPolicy", "tidemill-asked-by")["spec"]["failurePolicy"] == "Ignore"
