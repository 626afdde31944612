"""Tidemill keeps a model right in production."""

__version__ = "0.1.0"
