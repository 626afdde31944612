"""A tick of a loop on a real Place, in a process that has imported nothing yet.

python resting.py FOLDER TRACKING any|light     # light: a tick that would import something heavy fails

Prints what it waits for and which heavy libraries were imported. FOLDER is a project that `durable.live` lived in.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api_double import ApiDouble
from tidemill.adapters.sql.database import Database
from tidemill.controller.light import HEAVY, light
from tidemill.controller.place import Place
from tidemill.controller.ticker import Ticker
from tidemill.controller.wanted import Wanted
from tidemill.loop.errors import LeaseHeld
from tidemill.spec.profile import ProfileSpec


class Stopped:
    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def main(folder: Path, tracking: str, how: str) -> None:
    given = json.loads((folder / "given.json").read_text())
    profile = ProfileSpec.model_validate({
        "storage": (folder / "store").as_uri(),
        "tracking": tracking,
        "pipelines": {"kubeflow": {"endpoint": "http://127.0.0.1:9", "steps": {"image": "example/steps:1"}}},
        "serving": {"deployments": {"image": "example/models:1"}},
    })  # fmt: skip
    api: Any = ApiDouble()
    place = Place(profile, Database(f"sqlite:///{folder}/home/state.db"), api, "team")
    ticker = Ticker(place, Stopped(datetime.fromisoformat(given["now"])), lambda *_: None)
    about = {"namespace": "team", "name": "small", "uid": "u"}
    wanted = Wanted(about, given["spec"], {})
    if how == "light":
        with light():
            ticked = ticker.tick(wanted, datetime.now(UTC))
    else:
        ticked = ticker.tick(wanted, datetime.now(UTC))
    imported = sorted(HEAVY & sys.modules.keys())
    print(json.dumps({"imported": imported, "status": ticked.status}))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    except LeaseHeld as error:
        sys.exit(str(error))
