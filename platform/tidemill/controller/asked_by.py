"""Who changed a switch of a ModelRollout: an object does not say it by itself.

Annotations name the user where admission policies of the cluster keep them true (asked-by.yaml of the chart): the API
server wrote the name, or refused one that was not the user's own. Elsewhere anybody could have written any name, so the
object tells which program changed the switch, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BY = {
    "paused": "tidemill.dev/paused-by",
    "approved": "tidemill.dev/approved-by",
    "abort": "tidemill.dev/aborted-by",
}
MANAGERS = "managers"  # of an item as it is kept: the program that wrote each switch last


def managers_of(body: Mapping[str, Any]) -> dict[str, str]:
    """By switch, from `managedFields`, which are too large to be kept for each rollout."""
    found: dict[str, str] = {}
    for entry in body["metadata"].get("managedFields") or ():
        written = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        found |= {switch: str(entry.get("manager")) for switch in BY if f"f:{switch}" in written}
    return found


def asked_by(item: Mapping[str, Any], switch: str, named: bool) -> tuple[str, str]:
    """Who asked, and a note on that. `named`: the cluster keeps the annotations true."""
    name = (item["metadata"].get("annotations") or {}).get(BY[switch]) if named else None
    if name:
        return str(name), "ModelRollout"
    manager = (item.get(MANAGERS) or {}).get(switch, "the Kubernetes API")
    return f"a user of {manager}", "ModelRollout; the audit log of the API server has the user's name"
