"""The report of a replay: one self-contained HTML page, made from its results and nothing else."""

from .page import render

__all__ = ["render"]
