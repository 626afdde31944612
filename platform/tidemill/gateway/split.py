"""Which arm answers a key: the same one each time, and still the same one when a canary's weight grows."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from tidemill.loop.model import Arm, Role, Route

_TOP = 1 << 64


def unit(key: str, salt: str) -> float:
    """A number in [0, 1) that looks random, and is the same for the same key and salt on every machine, for ever."""
    digest = blake2b(key.encode(), digest_size=8, key=blake2b(salt.encode(), digest_size=32).digest()).digest()
    # 53 bits are what a float holds: the highest draw stays below 1.
    return (int.from_bytes(digest, "big") >> 11) / (_TOP >> 11)


def split(route: Route, keys: Sequence[str]) -> list[tuple[Arm, list[int]]]:
    """The rows that each arm answers, row by row: every row once, arms without rows left out.

    A canary takes the keys whose draw, salted by its version, lies below its weight. So its keys stay its own as the
    weight grows, and are other keys in the next rollout. Several canaries stand end to end; the champion has the rest.
    """
    champion = next((arm for arm in route.arms if arm.role is Role.CHAMPION), route.arms[0])
    canaries = [arm for arm in route.arms if arm is not champion and arm.weight > 0]
    if not canaries:
        return [(champion, list(range(len(keys))))]
    rows: dict[str, list[int]] = {arm.version: [] for arm in route.arms}
    salt = canaries[0].version
    for row, key in enumerate(keys):
        rows[_arm(canaries, champion, unit(key, salt)).version].append(row)
    return [(arm, rows[arm.version]) for arm in route.arms if rows[arm.version]]


def _arm(canaries: Sequence[Arm], champion: Arm, draw: float) -> Arm:
    top = 0.0
    for arm in canaries:
        top += arm.weight
        if draw < top:
            return arm
    return champion


def mirrored(arm: Arm, keys: Sequence[str], rows: Sequence[int]) -> list[int]:
    """Those of `rows` that `arm` also scores, unseen: its share of keys, drawn apart from who answers them."""
    if arm.mirror <= 0:
        return []
    if arm.mirror >= 1:
        return list(rows)
    return [row for row in rows if unit(keys[row], f"mirror {arm.version}") < arm.mirror]
