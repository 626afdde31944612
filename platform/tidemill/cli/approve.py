"""`tidemill approve`."""

from __future__ import annotations

from .asking import asking_command

command = asking_command("approve", "Approved", "Approve the rollout that awaits it.")
