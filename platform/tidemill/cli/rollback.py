"""`tidemill rollback`."""

from __future__ import annotations

from .asking import asking_command

command = asking_command("rollback", "Asked to roll back", "Let the previous champion serve again.")
