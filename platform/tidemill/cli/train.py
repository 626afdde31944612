"""`tidemill train`."""

from __future__ import annotations

from .asking import asking_command

command = asking_command("train", "Asked for a turn", "Ask for a turn now (a Manual signal), past cooldown and budget.")
