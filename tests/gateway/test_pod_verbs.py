"""`tidemill model-server` and `tidemill gateway` as a Pod runs them: processes that start, answer, drain and end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from gateway_harness import loop
from scripted_http import reply, serving
from tidemill.adapters.log.stored import StoredPredictionLog
from tidemill.adapters.route_document import RouteDocument, dumps
from tidemill.loop.model import Arm, ModelVersion, Role, Route

INPUTS = [
    {"name": "flight", "shape": [1], "datatype": "BYTES", "data": ["UA1"]},
    {"name": "departure", "shape": [1], "datatype": "BYTES", "data": ["2013-03-01T12:00:00Z"]},
    {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
    {"name": "distance", "shape": [1], "datatype": "FP64", "data": [500]},
]


@contextmanager
def verb(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL, once it has said it."""
    import os

    command = [sys.executable, "-c", "from tidemill.cli.main import main; main()", *arguments, "--port", "0"]
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    )
    try:
        said = []
        assert started.stdout is not None
        for line in started.stdout:
            said.append(line)
            if " answer at " in line or " answers at " in line:
                break
        assert " at http" in said[-1], "".join(said)
        yield started, said[-1].partition(" at ")[2].partition("/v2")[0].strip()
    finally:
        started.kill()
        started.wait()


def model_server(version: ModelVersion) -> list[str]:
    return ["model-server", "--uri", version.uri, "--digest", version.digest, "--version", version.version,
            "--loop", "delay", "--host", "127.0.0.1"]  # fmt: skip


def test_a_model_server_is_told_by_its_environment_and_drains(versions: dict[str, ModelVersion]) -> None:
    version = versions["real"]
    environment = {
        "TIDEMILL_MODEL_URI": version.uri, "TIDEMILL_MODEL_DIGEST": version.digest, "TIDEMILL_MODEL_VERSION": "real",
        "TIDEMILL_MODEL_LOOP": "delay", "TIDEMILL_HOST": "127.0.0.1", "TIDEMILL_DRAIN_SECONDS": "60",
    }  # fmt: skip
    with verb("model-server", **environment) as (started, url), httpx.Client(base_url=url, trust_env=False) as http:
        assert http.get("/v2/health/ready").status_code == 200
        started.send_signal(signal.SIGTERM)
        while http.get("/v2/health/ready").status_code == 200:
            pass
        response = http.post("/v2/models/delay/infer", json={"inputs": INPUTS})
        assert (response.status_code, response.headers["connection"]) == (200, "close"), "it answers on for a while"
        started.send_signal(signal.SIGTERM)  # a second one cuts that short
        assert started.wait(20) == 0


def test_a_model_server_of_changed_files_ends_with_that_as_its_last_word(versions: dict[str, ModelVersion]) -> None:
    command = [sys.executable, "-c", "from tidemill.cli.main import main; main()", *model_server(versions["real"])]
    done = subprocess.run([*command, "--digest", "sha256:0"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: ArtifactChanged: The model in {versions['real'].uri} is not what was registered")


class ConfigMaps:
    """An API server with one route."""

    def __init__(self, text: str) -> None:
        self._item = {
            "metadata": {"name": "tidemill-route-delay", "namespace": "ns", "resourceVersion": "1"},
            "data": {"route.json": text},
        }
        self.done = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        assert urlsplit(handler.path).path == "/api/v1/namespaces/ns/configmaps"
        if "watch" in handler.path:
            self.done.wait(60)
        body = {"metadata": {"resourceVersion": "1"}, "items": [self._item]}
        reply(handler, 200, b"" if "watch" in handler.path else json.dumps(body).encode(), close=True)


class Server:
    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        assert handler.path == "/v1/namespaces/ns/loops/delay/outcomes"
        handler.rfile.read(int(handler.headers["Content-Length"]))
        reply(handler, 200, b'{"new": 1, "duplicate": 0, "conflicting": 0}', close=True)


def test_a_gateway_serves_what_the_cluster_says_and_ships_what_it_logged(
    versions: dict[str, ModelVersion], tmp_path: Path
) -> None:
    storage = (tmp_path / "storage").as_uri()
    with verb(*model_server(versions["real"])) as (_, endpoint), serving(Server()) as (host, port):
        route = Route("delay", (Arm("real", Role.CHAMPION, 1.0),))
        spec = loop().model_dump(by_alias=True, mode="json")
        maps = ConfigMaps(dumps(RouteDocument(route, {"real": versions["real"]}, {"real": endpoint}, spec)))
        options = ["--host", "127.0.0.1", "--storage", storage, "--server", f"http://{host}:{port}",
                   "--spool", str(tmp_path / "spool"), "--log-seconds", "600", "--drain-seconds", "0.2"]  # fmt: skip
        with serving(maps) as address:
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(json.dumps(config(f"http://{address[0]}:{address[1]}")))
            with verb("gateway", *options, KUBECONFIG=str(kubeconfig)) as (started, url):
                ask(url)
                maps.done.set()
                started.send_signal(signal.SIGTERM)
                assert started.wait(30) == 0
        # The API server is away now: the gateway starts again from what it wrote down.
        with verb("gateway", *options, KUBECONFIG=str(kubeconfig)) as (_, url):
            ask(url)
    log = StoredPredictionLog(f"{storage}/ns/delay/predictions")
    found = log.read(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
    assert found["key"].tolist() == ["UA1"]
    assert list((tmp_path / "spool" / "predictions").rglob("*.jsonl")), "the second one was killed: it waits"


def ask(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        while http.get("/v2/health/ready").status_code != 200:
            pass
        response = http.post("/v2/models/delay/infer", json={"inputs": INPUTS})
        assert (response.status_code, response.json().get("model_version")) == (200, "real"), response.text
        labels = http.post("/v2/models/delay/outcomes", json={"outcomes": [{"key": "UA1", "label": 1}]})
        assert labels.json() == {"new": 1, "duplicate": 0, "conflicting": 0}
        assert "tidemill_routes_pending 0.0" in http.get("/metrics").text


def config(server: str) -> dict[str, object]:
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
