"""Who may do what, by the roles and bindings that are rendered: RBAC as the API server reads it."""

from __future__ import annotations

from collections.abc import Iterator

from chart_tools import Object


class Rights:
    """Of the service accounts in the release's namespace, `models`."""

    def __init__(self, objects: list[Object]) -> None:
        self._roles = {
            (one["kind"], _namespace(one), one["metadata"]["name"]): one["rules"]
            for one in objects
            if one["kind"] in ("Role", "ClusterRole")
        }
        self._bindings = [one for one in objects if one["kind"] in ("RoleBinding", "ClusterRoleBinding")]

    def may(self, account: str, verb: str, resource: str, namespace: str) -> bool:
        """`resource` as kubectl has it: `deployments.apps`, `pods/log`, `modelloops.tidemill.dev/status`."""
        named, _, part = resource.partition("/")
        plural, _, group = named.partition(".")
        wanted = f"{plural}/{part}" if part else plural
        return any(
            group in rule["apiGroups"] and wanted in rule["resources"] and verb in rule["verbs"]
            for rule in self._rules(account, namespace)
        )

    def _rules(self, account: str, namespace: str) -> Iterator[Object]:
        for one in self._bindings:
            everywhere = one["kind"] == "ClusterRoleBinding"
            subject = {"kind": "ServiceAccount", "name": account, "namespace": "models"}
            if subject in one["subjects"] and (everywhere or _namespace(one) == namespace):
                kind, name = one["roleRef"]["kind"], one["roleRef"]["name"]
                # The cluster's own roles, such as system:auth-delegator, are not ours to read.
                yield from self._roles.get((kind, "" if kind == "ClusterRole" else namespace, name), ())


def _namespace(one: Object) -> str:
    return "" if one["kind"].startswith("Cluster") else str(one["metadata"].get("namespace", "models"))
