"""`tidemill abort`."""

from __future__ import annotations

from .asking import asking_command

command = asking_command("abort", "Asked to abort", "End the running rollout; the champion stays.")
