"""What is away for a while is waited for; what is wrong is not."""

from __future__ import annotations

import pytest
from tidemill.loop.errors import TemporaryError, TidemillError
from tidemill.loop.turn.patience import PAUSES, patiently


class Away:
    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error, self.slept = times, error, list[float]()

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


@pytest.mark.parametrize("times", [0, 1, len(PAUSES)])
def test_what_is_away_is_waited_for_longer_each_time(times: int) -> None:
    it = Away(times, TemporaryError("The store is away."))
    assert patiently(it, sleep=it.slept.append) == "done"
    assert it.slept == list(PAUSES[:times]) == sorted(it.slept)


def test_the_waiting_has_an_end_and_says_what_was_away(capsys: pytest.CaptureFixture[str]) -> None:
    it = Away(len(PAUSES) + 1, TemporaryError("The store is away."))
    with pytest.raises(TemporaryError, match="store is away"):
        patiently(it, sleep=it.slept.append)
    assert sum(it.slept) == 300
    assert "The store is away. It is tried again in 60 s." in capsys.readouterr().out


def test_what_is_wrong_is_not_tried_again() -> None:
    it = Away(1, TidemillError("No such column."))
    with pytest.raises(TidemillError):
        patiently(it, sleep=it.slept.append)
    assert not it.slept
