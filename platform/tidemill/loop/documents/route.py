"""The route that the ledger last told of."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import Document


class ToldRoute(Document):
    """`number` counts the routes that the loop has had, `digest` is of `route`, the form in which the ledger has it."""

    kind = "route"
    id: ClassVar[str] = "current"

    number: int
    digest: str
    route: dict[str, Any]
