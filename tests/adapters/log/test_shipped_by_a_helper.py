"""A gateway's log goes to the store by a helper, so that the gateway has neither Arrow nor the store's client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from logged import DAY, row
from tidemill.adapters.helper import Helper
from tidemill.adapters.log.shipped import Shipping
from tidemill.adapters.log.shipper import LogShipper
from tidemill.adapters.log.stored import StoredPredictionLog

PROGRAM = """
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tidemill.adapters.helper import Helper
from tidemill.adapters.log.shipped import Shipping
from tidemill.adapters.log.shipper import LogShipper
shipping = Helper(Shipping)
shipper = LogShipper(Path(sys.argv[1]), sys.argv[2], ship=partial(shipping.call, "ship"))
at = datetime(2013, 3, 1, tzinfo=UTC)
text = {"request_id": "r", "key": "a", "version": "1", "role": "champion", "status": "ok"}
shipper.log("ns", "delay").append([{**text, "event_time": at, "at": at, "served": True, "fallback": False}])
shipper.step()
print(sorted({"numpy", "pandas", "pyarrow", "fsspec", "s3fs"} & sys.modules.keys()))
shipping.stop()
"""


@pytest.fixture
def helper() -> Iterator[Helper]:
    made = Helper(Shipping)
    yield made
    made.stop()


def test_nothing_is_lost_or_doubled_where_the_helper_is_killed(helper: Helper, tmp_path: Path) -> None:
    storage = (tmp_path / "store").as_uri()
    shipper = LogShipper(tmp_path / "spool", storage, ship=partial(helper.call, "ship"))
    log = shipper.log("ns", "delay")
    log.append([row("a")])
    assert shipper.step()
    assert helper.pid is not None
    os.kill(helper.pid, signal.SIGSTOP)  # so that it is in the middle of the next one when it dies
    log.append([row("b")])
    killer = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({helper.pid}, 9)"])
    assert not shipper.step() and shipper.waiting > 0, "told as a store that is away is"
    killer.wait()
    assert shipper.step() and shipper.waiting == 0
    found = StoredPredictionLog(f"{storage}/ns/delay/predictions").read(DAY, DAY + timedelta(days=1))
    assert sorted(found["key"]) == ["a", "b"]


def test_who_lets_a_helper_ship_imports_neither_arrow_nor_the_stores_client(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "spool"), (tmp_path / "store").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert len(list((tmp_path / "store").rglob("part-*.parquet"))) == 1
