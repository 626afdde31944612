"""What the data plane answers where it cannot answer: a status and a sentence."""

from __future__ import annotations


class Refused(Exception):
    """`status` is the HTTP status, the message what a caller reads in `{"error": ...}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
