"""Who may do what: each endpoint is a verb on a resource of the API group tidemill.dev, so that RBAC decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidemill.loop.asking import WORDS

GROUP = "tidemill.dev"
LOOPS = "modelloops"


@dataclass(frozen=True)
class Caller:
    """Who asks; `name` is kept in the history."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """What is asked for. A `path` stands for itself, outside of every namespace; else it is a resource."""

    verb: str
    resource: str = LOOPS
    namespace: str = ""
    name: str = ""
    path: str = ""

    def __str__(self) -> str:
        what = self.path or self.resource
        return f"{self.verb} {what}{f' {self.name!r}' if self.name else ''}"

    @property
    def role(self) -> str:
        """The smallest of the ClusterRoles that come with Tidemill that allows it."""
        if self.path:
            return "tidemill-metrics"
        part = self.resource.partition("/")[2]
        if part in WORDS:
            return "tidemill-operator"
        return "tidemill-sender" if part in ("outcomes", "events", "alerts") else "tidemill-viewer"


class Guard(Protocol):
    """Raises Refused: 401 for whoever is nobody, 403 for who may not, 503 where that cannot be found out."""

    async def check(self, authorization: str | None, access: Access) -> Caller: ...


class NoGuard:
    """For a laptop, where only its own users reach the server."""

    async def check(self, authorization: str | None, access: Access) -> Caller:
        return Caller("")


def listing(namespace: str) -> Access:
    return Access("list", LOOPS, namespace)


def reading(namespace: str, name: str, part: str = "") -> Access:
    return Access("get", f"{LOOPS}/{part}" if part else LOOPS, namespace, name)


def sending(namespace: str, part: str, name: str = "") -> Access:
    """Outcomes, events, alerts, and each thing that can be asked of a loop: train, approve, abort, rollback, admit."""
    return Access("create", f"{LOOPS}/{part}", namespace, name)


METRICS = Access("get", path="/metrics")
