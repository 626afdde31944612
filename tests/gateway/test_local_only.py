"""The data plane of a laptop asks for no token: no page in the user's browser may feed it labels or requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gateway_harness import Running, StillClock
from tidemill.gateway.server import Gateway
from tidemill.loop.model import Arm, ModelVersion, Role, Route

Start = Callable[..., Running]
LABELS = {"outcomes": [{"key": "a", "label": 1}]}


@pytest.mark.parametrize(
    "headers", [{"origin": "https://example.org"}, {"host": "rebound.example.org"}], ids=["cross-site", "rebound"]
)
def test_what_a_page_of_another_site_sends_is_refused_and_leaves_nothing(
    headers: dict[str, str], start: Start, versions: dict[str, ModelVersion]
) -> None:
    running = start()
    assert running.prepare(versions["calm"]).ready
    running.gateway.set_route(Route("delay", (Arm("calm", Role.CHAMPION, 1.0),)))
    running.http.headers.update(headers)
    labels = running.http.post("/v2/models/delay/outcomes", json=LABELS)
    assert labels.status_code == running.infer(["a"]).status_code == 403
    assert "only programs on this machine" in labels.json()["error"]
    for name in headers:
        del running.http.headers[name]
    assert running.outcomes.count() == 0
    assert running.rows().empty
    assert running.infer(["a"]).status_code == 200


def test_the_gateway_of_a_cluster_is_asked_by_any_name() -> None:
    import httpx

    gateway = Gateway({}, None, None, StillClock(), local_only=False)
    gateway.start()
    try:
        answer = httpx.get(
            f"{gateway.url}/v2/health/live", headers={"host": "tidemill-gateway.ns.svc"}, trust_env=False
        )
        assert answer.status_code == 200
    finally:
        gateway.stop()
