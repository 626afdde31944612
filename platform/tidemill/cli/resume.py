"""`tidemill resume`."""

from __future__ import annotations

from .asking import asking_command

command = asking_command("resume", "Asked to resume", "Let a paused rollout go on.")
