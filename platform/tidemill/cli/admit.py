"""`tidemill admit`."""

from __future__ import annotations

from .asking import asking_command

command = asking_command(
    "admit",
    "Asked to admit the partition",
    "Let a quarantined PARTITION in: what is new in it is right.",
    partition=True,
)
