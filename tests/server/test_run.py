"""The server as a process: small, and refusing what cannot go well with a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from click.testing import CliRunner
from tidemill.cli.main import cli


def test_it_is_small_and_needs_no_data_science(tmp_path: Path) -> None:
    heavy = ("kubernetes", "mlflow", "numpy", "pandas", "pyarrow", "scipy", "sklearn")
    script = (
        "import sys\nimport tidemill.server.app, tidemill.server.auth, tidemill.server.run, tidemill.cli.server\n"
        "import tidemill.adapters.kubernetes.wake, tidemill.adapters.sql.catalog, uvicorn, httpx\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

    server, url = started(tmp_path)
    assert httpx.get(f"{url}/metrics", trust_env=False).status_code == 200
    if sys.platform == "linux":
        size = Path(f"/proc/{server.pid}/status").read_text().partition("VmRSS:")[2].split()[0]
        assert int(size) < 100 * 1024, "KiB"
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0


def started(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The process and its URL."""
    command = [
        sys.executable,
        "-m",
        "tidemill.cli.main",
        "server",
        "--state",
        f"sqlite:///{folder}/s.db",
        "--port",
        "0",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, server.stdout.readline().split()[-1]


def test_without_tokens_a_page_in_the_users_browser_is_refused(tmp_path: Path) -> None:
    server, url = started(tmp_path)
    try:
        for headers, status in (({}, 404), ({"origin": "https://example.org"}, 403), ({"host": "rebound.org"}, 403)):
            asked = f"{url}/v1/namespaces/shop/loops/delay/requests"
            answer = httpx.post(asked, json={"what": "train"}, headers=headers, trust_env=False)
            assert answer.status_code == status, answer.text
    finally:
        server.kill()
        server.wait()


def test_what_cannot_go_well_is_said(tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["server", *arguments], env={"KUBECONFIG": os.fspath(tmp_path / "none")})
        return done.exit_code, done.output

    state = f"sqlite:///{tmp_path}/s.db"
    assert run("--state", state, str(tmp_path))[0] == 2
    code, said = run("--state", state, "--host", "0.0.0.0")
    assert (code, "--auth kubernetes" in said) == (1, True)
    code, said = run("--state", state, "--auth", "kubernetes")
    assert (code, "Set KUBECONFIG" in said) == (1, True)
    code, said = run("--state", "postgresql://u:secret@127.0.0.1:1/db")
    assert (code, "cannot be written or read" in said, "secret" in said) == (1, True, False)
