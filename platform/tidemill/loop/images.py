"""The image that holds a turn's code on a cluster. Its digest says which code that is; its tag may name another image
tomorrow, and what it names today is known once a Pod has run it."""

from __future__ import annotations

from collections.abc import Iterable

from tidemill.spec.forms import image_digest

from .documents.turn import TurnDocument


def code_in(reference: str) -> str:
    """What stands for the code: the digest, wherever the image lies; the reference where that is all that is known."""
    return image_digest(reference) or reference


def doubt(reference: str) -> str:
    """What to say where the code is taken to be that of before; empty where that is sure."""
    if not reference or image_digest(reference) is not None:
        return ""
    return f" The code is known by the name {reference} alone: if another image has that name now, name it by digest."


def moved(turn: TurnDocument, digests: Iterable[str], before: Iterable[TurnDocument]) -> str:
    """What to say where the steps of `turn` ran another image than each other, or than the last turn `before` whose
    image had the same reference; empty where they did not, or nobody knows."""
    image, now = turn.image, list(digests)
    if not image or not now or image_digest(image) is not None:
        return ""
    remedy = (
        f"Name the image by digest in spec.model.image, such as {_without_tag(image)}@{now[-1]}: then the code of a "
        "turn is known before it runs."
    )
    if len(now) > 1:
        return f"Steps of turn {turn.id} ran different images of the name {image}: {', '.join(now)}. {remedy}"
    known = (past for past in before if past.image == image and past.image_digests)
    last = max(known, key=lambda past: past.number, default=None)
    if last is None or last.image_digests is None or list(last.image_digests) == now:
        return ""
    ran = ", ".join(last.image_digests)
    return f"Another image has the name {image}: turn {last.id} ran {ran}, turn {turn.id} {now[0]}. {remedy}"


def _without_tag(image: str) -> str:
    folder, slash, name = image.rpartition("/")
    return folder + slash + name.partition(":")[0]
