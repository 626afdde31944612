"""Which image a turn's code was in, and when that is another one under the same name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stored
from small_world import Small, events, small
from tidemill.adapters.local.inline import InlinePipelines
from tidemill.decisions.verdict import Reason
from tidemill.loop.documents.turn import TurnDocument
from tidemill.loop.images import code_in, doubt, moved
from tidemill.loop.model import Phase, TurnRequest, TurnStatus
from tidemill.loop.tick import settle, tick

ONE, TWO = "sha256:" + 64 * "1", "sha256:" + 64 * "2"


def turn(id: str, number: int = 2, image: str = "me/it:1", **more: Any) -> TurnDocument:
    return TurnDocument.read(stored.turn(id, number=number, image=image, **more))


class Fails(InlinePipelines):
    """Each turn fails in an image with the digest `now`."""

    now = ONE

    def submit(self, request: TurnRequest) -> None:
        images = {request.image: (self.now,), "other:1": (TWO,)} if self.now else {}
        failed = TurnStatus(Phase.FAILED, Reason.TRAINER_FAILED, "no", "train")
        self._ended.setdefault(request.id, replace(failed, images=images))


def failing(folder: Path, image: str) -> tuple[Small, Fails]:
    it = small(folder)
    pipelines = Fails(it.registry)
    it.context = replace(it.context, image=image, ports=replace(it.context.ports, pipelines=pipelines))
    it.replay.context = it.context
    it.replay.bootstrap()
    settle(it.context, it.clock.now())
    return it, pipelines


def turns(it: Small) -> list[dict[str, Any]]:
    return it.context.state.documents("small", "turn")


def test_the_code_is_the_digest_wherever_the_image_lies_and_the_name_where_there_is_none() -> None:
    assert code_in(f"here/it:1@{ONE}") == code_in(f"there/it:2@{ONE}") == ONE
    assert code_in("here/it:1") == "here/it:1"
    assert code_in("") == ""


def test_a_turn_keeps_the_digests_that_its_steps_ran_with(tmp_path: Path) -> None:
    it, _ = failing(tmp_path, "me/it:1")
    assert [(found["image"], found["image_digests"]) for found in turns(it)] == [("me/it:1", [ONE])]
    assert events(it.context, "image.moved") == []


def test_the_same_digest_under_another_name_is_no_other_code_and_another_digest_is(tmp_path: Path) -> None:
    it, _ = failing(tmp_path, f"here/it:1@{ONE}")
    it.context = replace(it.context, image=f"there/it:2@{ONE}")
    settle(it.context, it.clock.now())
    assert len(turns(it)) == 1
    it.context = replace(it.context, image=f"here/it:1@{TWO}")
    settle(it.context, it.clock.now())
    assert len(turns(it)) == 2


def test_a_turn_that_runs_another_image_of_the_same_name_is_told_once(tmp_path: Path) -> None:
    it, pipelines = failing(tmp_path, "me/it:1")
    pipelines.now = TWO
    changed = it.context.loop.model_copy(deep=True)
    changed.spec.model.__dict__["seed"] = 7
    it.context = replace(it.context, loop=changed)
    settle(it.context, it.clock.now())
    tick(it.context, it.clock.now())
    (line,) = events(it.context, "image.moved")
    assert line["reason"] == Reason.IMAGE_MOVED
    first, second = turns(it)
    assert f"turn {first['id']} ran {ONE}, turn {second['id']} {TWO}" in line["message"]
    assert f"such as me/it@{TWO}" in line["message"]


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ([ONE, TWO], [], "Steps of turn b ran different images"),
        ([TWO], [turn("a", 1, image_digests=[ONE])], "Another image has the name me/it:1"),
        ([ONE], [turn("a", 1, image_digests=[ONE])], ""),
        ([TWO], [turn("a", 1, "me/it:0", image_digests=[ONE])], ""),
        ([TWO], [turn("a", 1)], ""),
        ([], [turn("a", 1, image_digests=[ONE])], ""),
        ([TWO], [turn("y", 3, image_digests=[TWO]), turn("z", 1, image_digests=[ONE])], ""),
    ],
)
def test_an_image_moved_where_steps_or_the_last_turn_of_its_name_ran_another(
    now: list[str], before: list[TurnDocument], said: str
) -> None:
    found = moved(turn("b", 4), now, before)
    assert said in found
    assert bool(found) is bool(said)


def test_an_image_that_is_named_by_digest_never_moves() -> None:
    assert moved(turn("b", image=f"me/it:1@{ONE}"), [ONE, TWO], []) == ""


def test_of_a_turn_that_ran_before_it_is_said_that_a_name_may_hide_other_code() -> None:
    assert "known by the name me/it:1 alone" in doubt("me/it:1")
    assert doubt(f"me/it:1@{ONE}") == doubt("") == ""
