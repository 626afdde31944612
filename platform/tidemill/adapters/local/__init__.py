"""Turns on this machine: the compiled pipeline run by kfp.local, each step a process."""
