"""What a kubeconfig says of where the API server is; its credentials against a real one: tests/cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tidemill.adapters.kubernetes.kubeconfig import Kubeconfig
from tidemill.loop.errors import TidemillError


def write(path: Path, server: str, **user: object) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(document))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("https://10.0.0.1:6443", ("10.0.0.1", 6443, "")),
        ("https://[fd00::1]", ("fd00::1", 443, "")),
        ("http://127.0.0.1:8001/", ("127.0.0.1", 8001, "")),
        ("https://rancher.example.org/k8s/clusters/c-1", ("rancher.example.org", 443, "/k8s/clusters/c-1")),
    ],
)
def test_the_server_may_be_at_any_address_and_below_a_path(
    file: Path, server: str, expected: tuple[str, int, str]
) -> None:
    write(file, server, token="t")
    access = Kubeconfig().access
    assert (access.host, access.port, access.prefix) == expected
    assert (access.tls is None) == server.startswith("http:")
    assert (access.bearer(), access.namespace) == ("t", "default")


def test_a_token_that_was_written_anew_is_found_when_the_old_one_is_refused(file: Path) -> None:
    write(file, "https://10.0.0.1:6443", token="old")
    access = Kubeconfig().access
    assert not access.renew(), "nothing is newer"
    write(file, "https://10.0.0.1:6443", token="new")
    assert access.renew()
    assert access.bearer() == "new"


def test_without_the_package_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, "https://10.0.0.1:6443", token="t")
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(TidemillError, match=r"tidemill\[kubeconfig\]"):
        Kubeconfig()


def test_a_pod_imports_no_client_library() -> None:
    program = "import sys, tidemill.adapters.kubernetes.api; assert not {'kubernetes', 'httpx'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], check=True)
