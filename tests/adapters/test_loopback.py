"""A page in the user's browser is not the user."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from tidemill.adapters.loopback import LocalOnly, is_loopback

HERE = ("host", "127.0.0.1:8081")


def status(*headers: tuple[str, str]) -> int:
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing of a refused request is read")

    scope = {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers]}
    asyncio.run(LocalOnly(app)(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize("host", ["127.0.0.1:8081", "127.9.9.9", "localhost", "LOCALHOST:80", "[::1]:8081"])
def test_programs_of_this_machine_pass(host: str) -> None:
    assert status(("host", host)) == 200
    assert status(("host", host), ("origin", "http://localhost:3000")) == 200


@pytest.mark.parametrize("origin", ["https://example.org", "http://127.0.0.1.example.org", "null", "", "http://["])
def test_a_page_of_another_site_is_refused(origin: str) -> None:
    assert status(HERE, ("origin", origin)) == 403
    assert status(HERE, ("origin", "http://localhost"), ("origin", origin)) == 403


@pytest.mark.parametrize("host", ["rebound.example.org", "192.168.0.7:8081", "", "[::1", "localhost.example.org"])
def test_a_name_that_a_page_had_resolve_to_this_machine_is_refused(host: str) -> None:
    assert status(("host", host)) == 403


def test_a_request_for_no_host_is_refused() -> None:
    assert status() == 403


def test_loopback_has_many_names() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.0.1", "example.org", ""]))
