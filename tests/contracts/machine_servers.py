"""Servers of this machine that Pods of a cluster can reach: an S3 store and MLflow."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

HOST = os.environ.get("E2E_HOST", "machine.local")  # this machine, as Pods see it
IMAGE = os.environ.get("E2E_IMAGE", "tidemill/components:e2e")
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests-only"}
BUCKET = "tidemill"


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("0.0.0.0", 0))
        return int(found.getsockname()[1])


@contextmanager
def store() -> Iterator[int]:
    """An S3 server in memory; this process's own environment points to it, too."""
    os.environ["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "1"  # or moto takes the first part of its own name for a bucket
    import fsspec
    from moto.server import ThreadedMotoServer
    from tidemill.loop.turn import files

    port = free_port()
    server = ThreadedMotoServer("0.0.0.0", port, verbose=False)
    server.start()
    ours = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "us-east-1"}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    files._stores.clear()
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)
    try:
        yield port
    finally:
        server.stop()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        files._stores.clear()


@contextmanager
def mlflow_server(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "0.0.0.0", "--port", str(port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination",
               str(folder / "mlflow"), "--allowed-hosts", "*"]  # fmt: skip
    with (folder / "mlflow.log").open("wb") as log:
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # a dozen processes otherwise
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, process_group=0, env=environment)
    try:
        until = time.monotonic() + 120
        while not _answers(port):
            assert server.poll() is None, (folder / "mlflow.log").read_text()
            assert time.monotonic() < until, "MLflow does not answer"
            time.sleep(0.2)
        yield port
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)


def _answers(port: int) -> bool:
    with closing(socket.socket()) as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0
