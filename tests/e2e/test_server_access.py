"""The server's doors on a real API server: roles x verbs, tokens that are worth nothing, and each refusal's words."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from server_harness import add_loop
from tidemill.adapters.scoped_state import ScopedState
from tidemill.adapters.sql.state import SqlState

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="KUBECONFIG names no cluster"),
]
ROLES = ("viewer", "operator", "sender", "metrics", "nobody")
EVENT = {"ce-specversion": "1.0", "ce-source": "/e2e", "ce-loop": "visits", "ce-type": "dev.tidemill.data.arrived"}
TRAINING = {**EVENT, "ce-type": "dev.tidemill.train.requested"}

# (what, method, path below the namespace, arguments, who may)
MATRIX: list[tuple[str, str, str, dict[str, Any], set[str]]] = [
    ("list", "GET", "/loops", {}, {"viewer", "operator"}),
    ("status", "GET", "/loops/visits", {}, {"viewer", "operator"}),
    ("history", "GET", "/loops/visits/history", {}, {"viewer", "operator"}),
    ("outcomes", "POST", "/loops/visits/outcomes", {"json": {"outcomes": [{"key": "a", "label": 1}]}}, {"sender"}),
    *((what, "POST", "/loops/visits/requests", {"json": {"what": what}}, {"operator"})
      for what in ("train", "approve", "abort")),
    ("rollback", "POST", "/loops/visits/requests", {"json": {"what": "rollback"}}, {"operator"}),
    ("admit", "POST", "/loops/visits/requests", {"json": {"what": "admit", "partition": "2013-03-02"}}, {"operator"}),
    ("event", "POST", "/events", {"headers": EVENT}, {"sender"}),
    ("training by event", "POST", "/events", {"headers": TRAINING}, set()),
    ("alert", "POST", "/alerts", {"json": {"alerts": []}}, {"sender"}),
    ("metrics", "GET", "metrics", {}, {"metrics"}),
]  # fmt: skip


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """With a service account for each role, bound here alone; the roles are those of manifests/, under other names."""
    name = f"tidemill-server-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    roles = list(yaml.safe_load_all((ROOT / "manifests" / "roles.yaml").read_text()))
    for role in roles:
        role["metadata"]["name"] = f"{name}-{role['metadata']['name']}"
        role["metadata"].pop("labels", None)  # aggregated into `view` they would be anybody's
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(roles))
    for role in ROLES:
        kubectl("-n", name, "create", "serviceaccount", role)
        to = ["--clusterrole", f"{name}-tidemill-{role}", "--serviceaccount", f"{name}:{role}"]
        if role == "metrics":
            kubectl("create", "clusterrolebinding", f"{name}-metrics", *to)
        elif role != "nobody":
            kubectl("-n", name, "create", "rolebinding", role, *to)
    yield name
    kubectl("delete", "clusterrolebinding", f"{name}-metrics")
    kubectl("delete", "clusterrole", *(role["metadata"]["name"] for role in roles))
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, namespace: str) -> Iterator[Any]:
    """Starts servers; each answers its URL."""
    state = f"sqlite:///{tmp_path_factory.mktemp('server')}/state.db"
    add_loop(ScopedState(SqlState(state), namespace), "visits")
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> str:
        command = [sys.executable, "-m", "tidemill.cli.main", "server", "--state", state, "--auth", "kubernetes"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "env": os.environ | environment}
        running.append(subprocess.Popen([*command, "--port", "0", *arguments], **pipes))
        assert running[-1].stdout is not None
        return running[-1].stdout.readline().split()[-1]

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def url(serve: Any) -> str:
    return str(serve())


@pytest.fixture(scope="module")
def tokens(namespace: str) -> dict[str, str]:
    return {role: kubectl("-n", namespace, "create", "token", role) for role in ROLES}


def ask(url: str, token: str | None, method: str, path: str, **arguments: Any) -> httpx.Response:
    headers = arguments.pop("headers", {})
    if "ce-type" in headers:
        headers = {**headers, "ce-id": uuid.uuid4().hex}
    if token is not None:
        headers = {**headers, "authorization": f"Bearer {token}"}
    return httpx.request(method, f"{url}{path}", headers=headers, trust_env=False, timeout=30, **arguments)


@pytest.mark.parametrize(("what", "method", "path", "arguments", "allowed"), MATRIX, ids=[row[0] for row in MATRIX])
def test_each_role_may_do_its_own_and_nothing_else(
    url: str, namespace: str, tokens: dict[str, str], what: str, method: str, path: str, arguments: Any,
    allowed: set[str],
) -> None:  # fmt: skip
    full = "/metrics" if what == "metrics" else f"/v1/namespaces/{namespace}{path}"
    for role in ROLES:
        answer = ask(url, tokens[role], method, full, **arguments)
        if role in allowed:
            assert answer.status_code in ((409,) if what == "rollback" else (200, 202)), (role, answer.text)
            continue
        assert answer.status_code == 403, (role, answer.text)
        said = answer.json()["error"]
        assert said.startswith(f"system:serviceaccount:{namespace}:{role} may not ")
        if what != "metrics":
            assert f"in namespace {namespace}" in said
        assert f"--serviceaccount={namespace}:{role}" in said


def test_who_asked_is_kept_whatever_the_body_says(url: str, namespace: str, tokens: dict[str, str]) -> None:
    body = {"what": "train", "by": "the king", "note": "mine"}
    path = f"/v1/namespaces/{namespace}/loops/visits/requests"
    assert ask(url, tokens["operator"], "POST", path, json=body).json()["by"] == (
        f"system:serviceaccount:{namespace}:operator"
    )


def test_a_role_here_is_none_in_another_namespace(url: str, tokens: dict[str, str]) -> None:
    assert ask(url, tokens["viewer"], "GET", "/v1/namespaces/kube-system/loops").status_code == 403


def test_the_remedy_that_a_refusal_names_is_one(url: str, namespace: str) -> None:
    """As it is printed, but for the roles' names, which this test had to change."""
    kubectl("-n", namespace, "create", "serviceaccount", "late")
    token = kubectl("-n", namespace, "create", "token", "late")
    path = f"/v1/namespaces/{namespace}/loops/visits/history"
    said = ask(url, token, "GET", path).json()["error"]
    command = said[said.index("kubectl ") :].replace("--clusterrole=", f"--clusterrole={namespace}-")
    kubectl(*command.split()[1:])
    assert ask(url, token, "GET", path).status_code == 200, "what was refused is asked anew"


def changed(token: str) -> str:
    """Its claims are another's, the signature is the same."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["sub"] = claims["sub"].replace("nobody", "operator")
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{head}.{forged}.{signature}"


def test_tokens_that_are_worth_nothing(url: str, namespace: str, tokens: dict[str, str]) -> None:
    make = ("-n", namespace, "create", "token")
    kubectl("-n", namespace, "create", "secret", "generic", "bound")
    revoked = kubectl(*make, "viewer", "--bound-object-kind=Secret", "--bound-object-name=bound")
    kubectl("-n", namespace, "delete", "secret", "bound")
    kubectl("-n", namespace, "create", "serviceaccount", "leaver")
    left = kubectl(*make, "leaver")
    kubectl("-n", namespace, "delete", "serviceaccount", "leaver")
    worthless = {
        "none": None,
        "forged": changed(tokens["nobody"]),
        "garbage": "not-a-token",
        "foreign audience": kubectl(*make, "viewer", "--audience=elsewhere"),
        "its secret is gone": revoked,
        "its account is gone": left,
    }
    for kind, token in worthless.items():
        answer = ask(url, token, "GET", f"/v1/namespaces/{namespace}/loops")
        assert answer.status_code == 401, (kind, answer.text)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="tidemill"'), kind
        assert token is None or token not in answer.text


def test_a_server_with_an_audience_of_its_own_takes_no_other(
    serve: Any, namespace: str, tokens: dict[str, str]
) -> None:
    url = serve("--audience", "tidemill")
    mine = kubectl("-n", namespace, "create", "token", "viewer", "--audience=tidemill")
    path = f"/v1/namespaces/{namespace}/loops"
    assert ask(url, mine, "GET", path).status_code == 200
    assert ask(url, tokens["viewer"], "GET", path).status_code == 401


def test_while_the_api_server_is_away_nobody_is_let_in(serve: Any, tmp_path: Path, tokens: dict[str, str]) -> None:
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    for cluster in config["clusters"]:
        cluster["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    url = serve(KUBECONFIG=str(tmp_path / "config"))
    answer = ask(url, tokens["viewer"], "GET", "/v1/namespaces/x/loops")
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["error"]
    assert ask(url, None, "GET", "/healthz").status_code == 200


def test_a_request_wakes_the_controller_by_an_annotation(url: str, namespace: str, tokens: dict[str, str]) -> None:
    if "modelloops.tidemill.dev" not in kubectl("get", "crd", "-o", "name"):
        pytest.skip("the cluster has no ModelLoop kind")
    loop = yaml.safe_load((ROOT / "examples" / "flights" / "loop.yaml").read_text())
    loop["metadata"] = {"name": "visits", "namespace": namespace}
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(loop))
    path = f"/v1/namespaces/{namespace}/loops/visits/requests"
    assert ask(url, tokens["operator"], "POST", path, json={"what": "train"}).json()["woken"] is True
    annotation = r"-o=jsonpath={.metadata.annotations.tidemill\.dev/woken-at}"
    assert kubectl("-n", namespace, "get", "modelloop", "visits", annotation).startswith("20")


def test_the_command_line_speaks_as_whoever_the_token_is_of(
    url: str, namespace: str, tokens: dict[str, str], tmp_path: Path
) -> None:
    text = (ROOT / "examples" / "flights" / "loop.yaml").read_text().replace("name: flight-delay", "name: visits", 1)
    (tmp_path / "loop.yaml").write_text(text)
    (tmp_path / "token").write_text(tokens["viewer"])
    server = {"url": url, "namespace": namespace}

    def run(verb: str, environment: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
        profile = {"kind": "Profile", "spec": {"server": {**server, **more}}}
        (tmp_path / "profile.yaml").write_text(yaml.safe_dump(profile))
        command = [
            sys.executable,
            "-m",
            "tidemill.cli.main",
            verb,
            str(tmp_path),
            "--profile",
            str(tmp_path / "profile.yaml"),
        ]
        return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)

    assert "champion    version 1" in run("status", {}, tokenFile=str(tmp_path / "token")).stdout
    refused = run("train", {}, tokenFile=str(tmp_path / "token"))
    assert refused.returncode == 1
    assert "may not create modelloops/train 'visits'" in refused.stderr
    assert run("train", {"TIDEMILL_TOKEN": tokens["operator"]}).returncode == 0
    unknown = run("status", {"TIDEMILL_TOKEN": "forged"})
    assert unknown.returncode == 1
    assert "does not know you" in unknown.stderr
    assert "TIDEMILL_TOKEN" in unknown.stderr
