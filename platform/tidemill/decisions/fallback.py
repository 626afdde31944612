"""Who answers when an arm cannot."""

from __future__ import annotations

from collections.abc import Sequence


def chain(arm_version: str, fallback: Sequence[str]) -> tuple[str, ...]:
    """The versions to try, in order: the arm's own, then the fallbacks, each once.

    >>> chain("7", ["6", "7", "baseline"])
    ('7', '6', 'baseline')
    """
    return tuple(dict.fromkeys((arm_version, *fallback)))
