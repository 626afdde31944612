"""What the data plane answers where it cannot answer: a status and a sentence."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - named as the CLI's errors are
    """`status` is the HTTP status, the message what a caller reads in `{"error": ...}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
