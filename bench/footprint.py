"""What an installation without MLflow takes of a cluster when it is idle: fresh, and after days of a loop.

    bench/footprint.py --namespace NAMESPACE     reads an installation that is there
    bench/footprint.py --days 12                 installs the chart (as the end-to-end tests do: KUBECONFIG, Kubeflow
                                                 Pipelines, their images), lives through days of the flights example,
                                                 waits until nothing happens, and reads; then uninstalls

Memory is what the kubelet calls the working set, and by which it evicts: all of a container's memory but the file cache
that it may drop. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMPONENTS = ("control-plane", "gateway")
GOALS = {"mib": 300, "cores": 0.1}
QUIET = 200.0  # seconds after which helpers are gone: they wait for a minute, and are looked at now and then
MIB = 1 << 20


def kubectl(*arguments: str) -> Any:
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def containers(namespace: str) -> dict[str, dict[str, float]]:
    """Working set and RSS in bytes, CPU seconds so far, by Pod and container."""
    selector = f"app.kubernetes.io/component in ({','.join(COMPONENTS)})"
    pods = kubectl("-n", namespace, "get", "pods", "-l", selector, "-o", "json")["items"]
    names = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods if not _ends(pod)}
    found = {}
    for node in sorted(set(names.values())):
        for pod in kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary")["pods"]:
            about = pod["podRef"]
            if about["namespace"] != namespace or about["name"] not in names:
                continue
            for one in pod["containers"]:
                found[f"{about['name']}/{one['name']}"] = {
                    "working_set": one["memory"]["workingSetBytes"],
                    "rss": one["memory"]["rssBytes"],
                    "cpu": one["cpu"]["usageCoreNanoSeconds"] / 1e9,
                    "at": _seconds(one["cpu"]["time"]),
                }
    assert found, f"no Pods of Tidemill in {namespace}"
    return found


def _ends(pod: dict[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _seconds(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp()


def footprint(namespace: str, seconds: float) -> dict[str, Any]:
    """Memory now, CPU over the seconds before."""
    before = containers(namespace)
    time.sleep(seconds)
    after = containers(namespace)
    parts = {
        name: {
            "mib": round(now["working_set"] / MIB, 1),
            "rss_mib": round(now["rss"] / MIB, 1),
            "cores": round((now["cpu"] - before[name]["cpu"]) / max(1.0, now["at"] - before[name]["at"]), 4),
        }
        for name, now in sorted(after.items())
    }
    return {
        "containers": parts,
        "mib": round(sum(part["mib"] for part in parts.values()), 1),
        "cores": round(sum(part["cores"] for part in parts.values()), 4),
    }


def lived(days: int, seconds: float) -> dict[str, Any]:
    sys.path[:0] = [str(ROOT / "tests" / "cluster"), str(ROOT / "examples" / "flights")]
    import yaml
    from flights.world import FlightsYear
    from installation import IMAGES, TAG, installed
    from rehearsal import Rehearsal

    project, world = ROOT / "examples" / "flights", FlightsYear(faults=False)
    document = yaml.safe_load((project / "loop.yaml").read_text())
    document["spec"]["model"]["image"] = f"{IMAGES}/e2e-flights:{TAG}"
    loop = document["metadata"]["name"]
    with installed() as made:
        time.sleep(30)
        found = {"fresh": footprint(made.namespace, seconds)}
        root = f"{made.storage}/{made.namespace}/{loop}"
        there = (made.gateway, made.server, made.token)
        rehearsal = Rehearsal(made.namespace, loop, root, made.clock, *there, world, "flight_id", "delayed", tell=_told)
        with _deleted(made.namespace, loop):
            rehearsal.bootstrap(yaml.safe_dump(document), project)
            for number in range(days):
                rehearsal.live(world.live_from + timedelta(days=number))
                _told(f"day {number + 1}: {footprint(made.namespace, 0.0)['mib']} MiB")
            found["at_work"] = footprint(made.namespace, 5.0)
            time.sleep(QUIET)
            found[f"idle_after_{days}_days"] = footprint(made.namespace, seconds)
    return found


@contextmanager
def _deleted(namespace: str, loop: str) -> Iterator[None]:
    try:
        yield
    finally:
        command = ["kubectl", "-n", namespace, "delete", "modelloop", loop, "--timeout=120s", "--ignore-not-found"]
        subprocess.run(command, check=False, stdout=sys.stderr)


def _told(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--namespace", help="an installation's")
    what.add_argument("--days", type=int, default=12, help="of the flights example, on an installation of its own")
    parser.add_argument("--seconds", type=float, default=60.0, help="over which CPU is counted")
    arguments = parser.parse_args()
    if arguments.namespace:
        found = {"now": footprint(arguments.namespace, arguments.seconds)}
    else:
        found = lived(arguments.days, arguments.seconds)
    print(json.dumps({"goals": GOALS, **found}, indent=1))


if __name__ == "__main__":
    main()
