"""`tidemill pause`."""

from __future__ import annotations

from .asking import asking_command

command = asking_command("pause", "Asked to pause", "Keep the running rollout at its step, whatever the evidence says.")
