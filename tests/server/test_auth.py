"""Who is let in, as far as no cluster is needed to say so; the matrix of roles and verbs is in tests/e2e."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
from server_harness import LOOP, World
from tidemill.adapters.kubernetes.access import Access as ClusterAccess
from tidemill.adapters.kubernetes.access import find_access
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.adapters.kubernetes.auth import KubernetesAuth, User
from tidemill.adapters.sql.database import Database
from tidemill.loop.asking import WORDS
from tidemill.loop.errors import TidemillError
from tidemill.server.access import LOOPS, Access, listing, reading, sending
from tidemill.server.answers import Refused
from tidemill.server.auth import KEPT_SECONDS, TokenGuard, refusal
from tidemill.server.run import serve

NOWHERE = ClusterAccess("127.0.0.1", 1, "default", ssl.create_default_context())
READ = reading("shop", "visits")


class Rbac(KubernetesAuth):
    """A cluster with one user, whose permissions are in `may`; counts how often it is asked."""

    def __init__(self) -> None:
        self.may, self.asked = {"get"}, 0

    async def user(self, token: str) -> User | str:
        self.asked += 1
        return User("ann") if token == "good" else "it is not valid"

    async def allowed(
        self, user: User, resource: Mapping[str, str] | None = None, path: str = "", verb: str = ""
    ) -> bool:
        return (resource or {"verb": verb})["verb"] in self.may


def check(guard: TokenGuard, header: str | None, access: Access = READ) -> str:
    return asyncio.run(guard.check(header, access)).name


def refused(guard: TokenGuard, header: str | None, access: Access = READ) -> Refused:
    with pytest.raises(Refused) as caught:
        check(guard, header, access)
    return caught.value


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic YTpi", "good"])
def test_without_a_token_nobody_is_let_in_and_is_told_how(header: str | None) -> None:
    error = refused(TokenGuard(Rbac()), header)
    assert error.status == 401
    assert (error.headers or {})["WWW-Authenticate"] == 'Bearer realm="tidemill"'


def test_a_token_that_is_worth_nothing_is_not_shown() -> None:
    error = refused(TokenGuard(Rbac()), "Bearer forged-secret")
    assert error.status == 401
    assert 'error="invalid_token"' in (error.headers or {})["WWW-Authenticate"]
    assert "forged-secret" not in str(error)


def test_what_was_allowed_is_remembered_for_ten_seconds_and_no_longer() -> None:
    rbac, time = Rbac(), [0.0]
    guard = TokenGuard(rbac, lambda: time[0])
    for _ in range(3):
        assert check(guard, "Bearer good") == "ann"
    assert rbac.asked == 1
    check(guard, "Bearer good", reading("shop", "other"))
    assert rbac.asked == 2, "another loop is another question"
    rbac.may.clear()
    time[0] = KEPT_SECONDS
    assert refused(guard, "Bearer good").status == 403


def test_what_was_refused_is_asked_anew() -> None:
    rbac = Rbac()
    guard = TokenGuard(rbac)
    assert refused(guard, "Bearer good", sending("shop", "train", "visits")).status == 403
    rbac.may.add("create")
    assert check(guard, "Bearer good", sending("shop", "train", "visits")) == "ann"


def test_the_tokens_themselves_are_not_kept() -> None:
    guard = TokenGuard(Rbac())
    check(guard, "Bearer good")
    assert "good" not in repr(vars(guard))


@pytest.mark.parametrize(
    ("access", "role"),
    [
        (listing("shop"), "tidemill-viewer"),
        (reading("shop", "visits", "history"), "tidemill-viewer"),
        (sending("shop", "approve", "visits"), "tidemill-operator"),
        (sending("shop", "outcomes", "visits"), "tidemill-sender"),
    ],
)
def test_a_refusal_names_user_verb_resource_namespace_and_the_remedy(access: Access, role: str) -> None:
    said = refusal(User("system:serviceaccount:ci:robot"), access)
    assert said.startswith(f"system:serviceaccount:ci:robot may not {access.verb} {LOOPS}")
    assert "in API group tidemill.dev in namespace shop" in said
    remedy = f"rolebinding {role}-robot --namespace=shop --clusterrole={role} --serviceaccount=ci:robot"
    assert f"kubectl create {remedy}" in said
    assert "--user=ann@example.org" in refusal(User("ann@example.org"), access)


def test_an_api_server_that_is_away_lets_nobody_in_and_says_so(tmp_path: Path) -> None:
    async def ask() -> None:
        await TokenGuard(KubernetesAuth(KubernetesApi(NOWHERE))).check("Bearer t", READ)

    with pytest.raises(Refused, match=r"127.0.0.1:1 does not answer") as caught:
        asyncio.run(ask())
    assert caught.value.status == 503


def test_every_endpoint_asks_the_guard_but_those_that_say_nothing_of_loops(tmp_path: Path) -> None:
    world = World(Database(f"sqlite:///{tmp_path}/state.db"), TokenGuard(Rbac()))
    client = world.client()
    asked = [("GET", "/v1/namespaces/shop/loops"), ("GET", LOOP), ("GET", f"{LOOP}/history"), ("GET", "/metrics"),
             ("POST", f"{LOOP}/outcomes"), ("POST", "/v1/namespaces/shop/events"),
             ("POST", "/v1/namespaces/shop/alerts")]  # fmt: skip
    assert {client.request(method, path).status_code for method, path in asked} == {401}
    assert client.post(f"{LOOP}/requests", json={"what": "train"}).status_code == 401
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])
def test_without_tokens_it_listens_to_this_machine_alone(tmp_path: Path, host: str) -> None:
    api = World(Database(f"sqlite:///{tmp_path}/state.db")).api()
    with pytest.raises(TidemillError, match="--auth kubernetes"):
        serve(api, host, 0)


def test_a_kubeconfig_that_cannot_be_used_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(TidemillError, match="Set KUBECONFIG"):
        find_access()
    (tmp_path / "empty").write_text("kind: Config\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "empty"))
    with pytest.raises(TidemillError, match="empty cannot be used"):
        find_access()


def test_the_reference_names_every_right_that_is_asked_for() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text()
    parts = [*WORDS, "outcomes", "events", "alerts"]
    asked = [listing("n"), reading("n", "x"), reading("n", "x", "history"), *(sending("n", part) for part in parts)]
    for access in asked:
        assert f"| `{access.verb}` | `{access.resource}` | `{access.role}` |" in text, access
    roles = (Path(__file__).parents[2] / "manifests" / "roles.yaml").read_text()
    assert {access.role for access in asked} <= set(re.findall(r"name: (tidemill-\w+)", roles))
