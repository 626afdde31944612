"""Whose token it is (TokenReview) and what that user may do (SubjectAccessReview). Tokens are not kept, not logged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidemill.adapters.kubernetes.api import KubernetesApi


@dataclass(frozen=True)
class User:
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, list[str]] = field(default_factory=dict)


class KubernetesAuth:
    """`audience` is whom tokens must be made for; None: for the API server, as `kubectl create token` makes them."""

    def __init__(self, api: KubernetesApi, audience: str | None = None) -> None:
        self._api, self._audience = api, audience

    async def user(self, token: str) -> User | str:
        """Who it is, or why the token is worth nothing. Raises TemporaryError where the API server is away."""
        spec: dict[str, Any] = {"token": token}
        if self._audience is not None:
            spec["audiences"] = [self._audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        status = (await asyncio.to_thread(self._api.create, body)).get("status", {})
        if not status.get("authenticated"):
            return "it is not valid: forged, expired, or made for another audience"
        # An authenticator that knows no audiences leaves them out; its word is good for the API server alone.
        if self._audience is not None and self._audience not in status.get("audiences", []):
            return f"it was not made for audience {self._audience!r}"
        user = status.get("user", {})
        return User(user["username"], user.get("uid", ""), tuple(user.get("groups", ())), user.get("extra", {}))

    async def allowed(
        self, user: User, resource: Mapping[str, str] | None = None, path: str = "", verb: str = ""
    ) -> bool:
        """`resource`: group, resource, subresource, verb, namespace, name; or a `path` outside of resources."""
        spec: dict[str, Any] = {
            "user": user.name, "uid": user.uid, "groups": list(user.groups), "extra": dict(user.extra),
        }  # fmt: skip
        if resource is None:
            spec["nonResourceAttributes"] = {"path": path, "verb": verb}
        else:
            spec["resourceAttributes"] = {key: value for key, value in resource.items() if value}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return bool((await asyncio.to_thread(self._api.create, body)).get("status", {}).get("allowed"))
