"""Brings the CustomResourceDefinitions of this release to the cluster; a hook of the chart runs it before an upgrade.

python -m tidemill.controller.kinds

Helm installs definitions once and never again. It needs `get` and `update` on our two definitions and no more: they are
there already, and are never deleted. They are replaced rather than applied: a server-side apply would leave what an
older release had and this one has not, since that belongs to Helm or whoever else brought it. Several installations
share them: those of a newer release are left alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version as installed_version
from typing import Any

from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.loop.errors import TidemillError
from tidemill.spec.crd import KINDS, definition

RELEASE = "tidemill.dev/release"  # an annotation: which release the definition in the cluster is of
_API, _KIND = "apiextensions.k8s.io/v1", "CustomResourceDefinition"


def bring(api: KubernetesApi, definitions: Iterable[Mapping[str, Any]], release: str) -> list[str]:
    """One line for each definition: what was done. Raises TidemillError where one is missing, or may not be
    changed."""
    return [_bring(api, one, release) for one in definitions]


def _bring(api: KubernetesApi, wanted: Mapping[str, Any], release: str) -> str:
    name = wanted["metadata"]["name"]
    found = api.get(_API, _KIND, None, name)
    if found is None:
        raise TidemillError(
            f"The cluster has no definition {name}: Helm installs it from the chart's crds/, unless told to "
            f"--skip-crds. Apply it: `kubectl apply --server-side -f charts/tidemill/crds`."
        )
    there = found["metadata"].get("annotations", {}).get(RELEASE, "0")
    if _order(there) > _order(release):
        return f"{name} is of release {there}, newer than {release}: left as it is"
    metadata = {**found["metadata"], "annotations": {**found["metadata"].get("annotations", {}), RELEASE: release}}
    applied = api.replace({**found, "metadata": metadata, "spec": wanted["spec"]})
    changed = applied["metadata"]["generation"] != found["metadata"]["generation"]
    return f"{name} is of release {release} now" if changed else f"{name} is as release {release} has it"


def _order(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release)[:3])


def main() -> int:
    try:
        for line in bring(KubernetesApi(), (definition(kind) for kind in KINDS), installed_version("tidemill")):
            print(line)
    except TidemillError as error:
        print(f"The CustomResourceDefinitions were not upgraded. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
