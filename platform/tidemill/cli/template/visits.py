"""Makes up the visits of a small shop, one CSV file a day: the same day always gives the same file.

python visits.py              # writes the days up to yesterday that are not there yet
python visits.py data 45      # ... into data/, 45 days back
"""

from __future__ import annotations

import csv
import math
import random
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

VISITS_A_DAY = 150
COLUMNS = (
    "visit_id", "visited_at", "channel", "device", "returning", "pages", "minutes", "cart_value", "bought",
)  # fmt: skip
CHANNELS = {"search": 0.4, "mail": 0.25, "ads": 0.2, "direct": 0.15}
PULL = {"search": 0.0, "mail": 0.5, "ads": -0.6, "direct": 0.3}  # of a channel, in log odds of buying


def write_days(folder: Path, last: date, days: int) -> list[Path]:
    """Writes the days before and with `last` that have no file yet; returns what it wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for back in reversed(range(days)):
        day = last - timedelta(days=back)
        path = folder / f"{day}.csv"
        if not path.exists():
            part = path.with_suffix(".part")  # a file that is still being written is no partition
            with part.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(visits(day))
            part.rename(path)
            written.append(path)
    return written


def visits(day: date) -> list[dict[str, object]]:
    chance = random.Random(day.toordinal())
    number = VISITS_A_DAY + chance.randint(-15, 15)
    rows = [_visit(day, index, chance) for index in range(number)]
    return sorted(rows, key=lambda row: str(row["visited_at"]))


def _visit(day: date, index: int, chance: random.Random) -> dict[str, object]:
    hour = min(23.9, max(0.0, chance.gauss(15, 4)))
    channel = chance.choices(list(CHANNELS), weights=list(CHANNELS.values()))[0]
    device = chance.choices(("phone", "laptop"), weights=(0.6, 0.4))[0]
    returning = int(chance.random() < 0.45)
    pages = 1 + int(chance.expovariate(1 / 5))
    minutes = round(pages * chance.uniform(0.4, 1.6), 1)
    cart_value = round(chance.expovariate(1 / 40), 2) if chance.random() < min(0.9, 0.1 * pages) else 0.0
    odds = -2.6 + PULL[channel] + 0.7 * returning + 0.08 * pages + 0.9 * (cart_value > 0) + 0.2 * (device == "laptop")
    return {
        "visit_id": f"{day:%Y%m%d}-{index:04d}",
        "visited_at": (datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)).isoformat(
            "T", "seconds"
        ),
        "channel": channel,
        "device": device,
        "returning": returning,
        "pages": pages,
        "minutes": "" if chance.random() < 0.02 else minutes,  # the tracker misses some
        "cart_value": cart_value,
        "bought": int(chance.random() < 1 / (1 + math.exp(-odds))),
    }


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data"
    back = int(sys.argv[2]) if len(sys.argv) > 2 else 45
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    for path in write_days(target, yesterday, back):
        print(path)
