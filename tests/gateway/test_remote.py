"""What goes wrong between a gateway and model servers, and what a caller sees of it: nothing, or a fallback."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import gateway_models as models
import pytest
from gateway_harness import Running, model_server, outputs
from tidemill.decisions.verdict import Reason
from tidemill.gateway.http_pool import Pool
from tidemill.loop.model import Arm, ModelVersion, Role, Route

Start = Callable[..., Running]
Versions = dict[str, ModelVersion]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def remote() -> bool:
    return True


def serve(running: Running, versions: Versions, champion: str, *fallback: str) -> None:
    for name in (champion, *fallback):
        assert running.prepare(versions[name]).ready
    running.gateway.set_route(Route("delay", (Arm(champion, Role.CHAMPION, 1.0),), fallback))


def test_a_model_server_that_came_again_at_its_address_is_asked_on_a_fresh_connection(
    start: Start, versions: Versions
) -> None:
    running = start()
    serve(running, versions, "calm")
    assert running.infer(["a"]).status_code == 200
    running.restart("calm", versions["calm"])
    response = running.infer(["b"])
    assert outputs(response)["version"] == ["calm"]
    assert response.json()["parameters"]["fallback"] is False


def test_a_model_server_that_is_gone_is_stood_in_for(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, "calm", "other")
    running.stop_server("calm")
    response = running.infer(["a"])
    assert outputs(response)["version"] == ["other"]
    assert "version calm: Connection" in response.json()["parameters"]["why"]
    assert running.rows().set_index("version")["status"].to_dict() == {"calm": "error", "other": "ok"}


def test_a_slow_request_holds_up_no_other(start: Start, versions: Versions) -> None:
    running = start(timeout="20s")
    serve(running, versions, "calm")
    assert running.prepare(versions["blocked"]).ready
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(running.infer, ["s"], "/v2/models/delay/versions/blocked/infer") for _ in range(3)]
        assert models.entered.wait(10)
        assert outputs(running.infer(["fast"]))["version"] == ["calm"]
        models.gate.set()
        assert [one.result().status_code for one in slow] == [200, 200, 200]


def test_an_endpoint_of_other_files_is_never_adopted(start: Start, versions: Versions) -> None:
    running = start()
    assert running.prepare(versions["calm"]).ready
    listener = model_server(versions["other"])
    claimed = replace(versions["other"], digest="sha256:registered")
    readiness = running.gateway.prepare("delay", claimed, listener.url)
    listener.stop()
    assert (readiness.ready, readiness.reason) == (False, Reason.ARTIFACT_CHANGED)


def test_an_address_that_another_version_got_answers_with_an_error_not_wrongly(
    start: Start, versions: Versions
) -> None:
    running = start()
    serve(running, versions, "calm", "other")
    running.restart("calm", versions["raises"])
    response = running.infer(["a"])
    assert outputs(response)["version"] == ["other"]
    assert "404" in response.json()["parameters"]["why"]


def test_an_endpoint_that_nobody_answers_at_is_not_ready_yet(start: Start, versions: Versions) -> None:
    readiness = start().gateway.prepare("delay", versions["calm"], "http://127.0.0.1:1")
    assert (readiness.ready, readiness.reason) == (False, Reason.NOT_READY)
    assert "http://127.0.0.1:1" in readiness.message


@contextmanager
def tcp(*behaviours: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server whose n-th connection is treated by the n-th behaviour."""
    bound = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        for behaviour in behaviours:
            connection, _ = bound.accept()
            with connection:
                behaviour(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    thread.join(10)
    bound.close()


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def answer(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(ANSWER)
    connection.recv(1)


def answer_then_hang_up_on_the_next(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(ANSWER)
    connection.recv(65536)


async def asked(url: str, times: int) -> list[tuple[int, bytes]]:
    pool = Pool(url, 4)
    answers = [await pool.post("/x", b"{}") for _ in range(times)]
    for connection in pool._idle:
        connection.close()
    return answers


def test_a_broken_connection_is_tried_again_once() -> None:
    with tcp(hang_up, answer) as url:
        assert asyncio.run(asked(url, 1)) == [(200, b"ok")]
    with tcp(hang_up, hang_up) as url, pytest.raises(ConnectionResetError):
        asyncio.run(asked(url, 1))


def test_a_kept_connection_that_the_server_closed_under_a_request_is_replaced() -> None:
    with tcp(answer_then_hang_up_on_the_next, answer) as url:
        assert asyncio.run(asked(url, 2)) == [(200, b"ok")] * 2


def test_an_answer_that_is_no_http_is_an_error() -> None:
    def babble(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

    with tcp(babble, babble) as url, pytest.raises(ConnectionError, match="not HTTP"):
        asyncio.run(asked(url, 1))


def test_at_most_the_limit_of_connections_is_open() -> None:
    async def many(url: str) -> int:
        pool = Pool(url, 2)
        asked = [asyncio.create_task(pool.post("/x", b"{}")) for _ in range(6)]
        await asyncio.sleep(0)
        assert [status for status, _ in await asyncio.gather(*asked)] == [200] * 6
        opened = len(pool._idle)
        for connection in pool._idle:
            connection.close()
        return opened

    def answer_all(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(ANSWER)

    bound = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = bound.accept()
            except OSError:
                return
            threading.Thread(target=answer_all, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    assert asyncio.run(many(f"http://127.0.0.1:{bound.getsockname()[1]}")) == 2
    bound.close()
