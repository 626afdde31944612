"""What is said of a run to whoever looks at its Workflow: which turn of which loop it is, and where it works."""

from __future__ import annotations

from dataclasses import dataclass

LOOP, TURN = "tidemill.dev/loop", "tidemill.dev/turn"
WORK, CANCELLED = "tidemill.dev/work-uri", "tidemill.dev/cancelled"


@dataclass(frozen=True)
class Run:
    """`name` is the Workflow's, `root` the URI below which the steps' artifacts go, `timeout` is in seconds."""

    name: str
    root: str
    timeout: float
    loop: str = ""
    turn: str = ""
    work_uri: str = ""

    @property
    def labels(self) -> dict[str, str]:
        named = {
            "app.kubernetes.io/managed-by": "tidemill",
            LOOP: self.loop.replace("/", ".")[:63].rstrip("-."),
            TURN: self.turn,
        }
        return {key: value for key, value in named.items() if value}

    @property
    def annotations(self) -> dict[str, str]:
        return {WORK: self.work_uri} if self.work_uri else {}
