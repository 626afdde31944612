"""Whose an object is. A name can be foreseen, so somebody may have taken it before: applied by force, a live Service of
theirs would get our selector and our owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]


def is_ours(found: Object, loop: str, owner: Object | None) -> bool:
    """By the labels that all we make has; these outlast a ModelLoop that is made anew under its name, with another uid.
    By the owner where somebody took the labels off: they come back."""
    labels = found["metadata"].get("labels") or {}
    if labels.get("app.kubernetes.io/managed-by") == "tidemill" and labels.get("tidemill.dev/loop") == loop:
        return True
    references = found["metadata"].get("ownerReferences") or []
    return owner is not None and any(reference["uid"] == owner["uid"] for reference in references)


def left_alone(theirs: Sequence[tuple[str, Object]], loop: str) -> str:
    """What is said of objects, each after its kind, that have the name of one of ours and are another's."""
    metadata = theirs[0][1]["metadata"]
    name, namespace, kinds = metadata["name"], metadata["namespace"], [kind for kind, _ in theirs]
    one = len(kinds) == 1
    return (
        f"{' and '.join(kinds)} {name} in namespace {namespace} {'is' if one else 'are'} there already and not of loop "
        f"{loop}: left as found. Look (`kubectl -n {namespace} get {','.join(kinds).lower()} {name}`), then rename or "
        f"delete {'it' if one else 'them'}, or give the loop another name; the rest goes by itself."
    )
