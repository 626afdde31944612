"""Bearer tokens checked with the cluster: who may do what is RBAC, and nothing else."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from tidemill.adapters.kubernetes.auth import KubernetesAuth, User
from tidemill.loop.errors import TemporaryError, TidemillError

from .access import GROUP, Access, Caller
from .answers import Refused

KEPT_SECONDS = 10.0  # how long a permission outlives its withdrawal, at most
_KEPT = 4096
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tidemill"'}
_INVALID = {"WWW-Authenticate": 'Bearer realm="tidemill", error="invalid_token"'}


class TokenGuard:
    """What was allowed is remembered for ten seconds, by the token's hash; what was refused is asked anew."""

    def __init__(self, auth: KubernetesAuth, seconds: Callable[[], float] = monotonic) -> None:
        self._auth, self._seconds = auth, seconds
        self._allowed: OrderedDict[tuple[bytes, Access], tuple[float, Caller]] = OrderedDict()

    async def check(self, authorization: str | None, access: Access) -> Caller:
        token = _bearer(authorization)
        known = (hashlib.sha256(token.encode()).digest(), access)
        kept = self._allowed.get(known)
        if kept is not None and self._seconds() - kept[0] < KEPT_SECONDS:
            return kept[1]
        try:
            user = await self._auth.user(token)
            if isinstance(user, str):
                raise Refused(401, f"The bearer token was not accepted: {user}. Send a new one.", _INVALID)
            if not await self._allows(user, access):
                raise Refused(403, refusal(user, access))
        except TemporaryError as error:
            raise Refused(
                503, f"The server cannot check tokens at the moment. {error}", {"Retry-After": "5"}
            ) from error
        except TidemillError as error:  # the server itself may not ask
            raise Refused(
                503, f"The server cannot check tokens: {error} Give its service account the role system:auth-delegator."
            ) from error
        caller = Caller(user.name, user.groups)
        self._allowed.pop(known, None)
        self._allowed[known] = (self._seconds(), caller)
        while len(self._allowed) > _KEPT:
            self._allowed.popitem(last=False)
        return caller

    async def _allows(self, user: User, access: Access) -> bool:
        if access.path:
            return await self._auth.allowed(user, path=access.path, verb=access.verb)
        resource, _, part = access.resource.partition("/")
        asked = {"group": GROUP, "resource": resource, "subresource": part, "verb": access.verb,
                 "namespace": access.namespace, "name": access.name}  # fmt: skip
        return await self._auth.allowed(user, asked)


def refusal(user: User, access: Access) -> str:
    """Who lacks what, and the command that would give it."""
    who = _subject(user.name)
    if access.path:
        bind = f"kubectl create clusterrolebinding {access.role}-{_word(user.name)} --clusterrole={access.role} {who}"
        return f"{user.name} may not {access.verb} {access.path}. An administrator of the cluster can allow it: {bind}"
    bind = (
        f"kubectl create rolebinding {access.role}-{_word(user.name)} --namespace={access.namespace} "
        f"--clusterrole={access.role} {who}"
    )
    where = f"in API group {GROUP} in namespace {access.namespace}"
    return f"{user.name} may not {access} {where}. An administrator of the namespace can allow it: {bind}"


def _subject(name: str) -> str:
    account = re.fullmatch(r"system:serviceaccount:([^:]+):([^:]+)", name)
    return f"--serviceaccount={account[1]}:{account[2]}" if account else f"--user={name}"


def _word(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.rpartition(":")[2].lower()).strip("-") or "user"


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Refused(
            401, "Send a token: `Authorization: Bearer ...` (`kubectl create token NAME` makes one).", _CHALLENGE
        )
    return token
