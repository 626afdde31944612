"""Starts the server: where it may listen, and for whom."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

from tidemill.adapters.loopback import LocalOnly, is_loopback
from tidemill.loop.errors import TidemillError

from .access import NoGuard
from .api import Api
from .app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable


def serve(api: Api, host: str, port: int, started: Callable[[str], None] = lambda _: None) -> None:
    """Answers until it is told to stop (SIGTERM, SIGINT), then ends what it was asked."""
    import uvicorn

    if isinstance(api.guard, NoGuard) and not is_loopback(host):
        raise TidemillError(
            f"The server does not check tokens here, so it does not listen on {host}, which other machines reach. "
            "Listen on 127.0.0.1, or check tokens with a cluster: --auth kubernetes."
        )
    app = create_app(api)
    config = uvicorn.Config(
        LocalOnly(app) if isinstance(api.guard, NoGuard) else app,
        log_level="warning",
        access_log=False,  # paths and headers of callers are nobody's business
        lifespan="off",
        http="httptools",
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    bound = _bind(host, port)
    shown = f"[{host}]" if ":" in host else host
    started(f"http://{shown}:{bound.getsockname()[1]}")
    server = uvicorn.Server(config)
    # uvicorn hands a signal on, once it has ended well, to who handled it before: that would end us as if killed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    server.run(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as problem:
        bound.close()
        raise TidemillError(
            f"The server cannot listen on {host}:{port}: {problem.strerror}. Is one running already? Give another port."
        ) from problem
    return bound
