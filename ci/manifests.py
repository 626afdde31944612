"""Writes manifests/base and manifests/overlays from the chart: for who uses kustomize and no Helm.

python ci/manifests.py [--check]     # --check: writes nothing, ends with 1 where a file is stale

The base is what `helm template` renders of charts/tidemill/ci/kubeflow-values.yaml, each overlay the JSON patches, the
additions and the removals that turn it into what another set of values renders. HELM names the program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART, FOLDER = ROOT / "charts" / "tidemill", ROOT / "manifests"
NAMESPACE = "tidemill"
NOTE = "# Made by `make manifests` from charts/tidemill; edit that, or patch this in an overlay of your own.\n"
# Each overlay and the options that render it.
VALUES = ("-f", str(CHART / "ci" / "kubeflow-values.yaml"))
OVERLAYS = {
    "namespaced": VALUES,
    "cluster": (*VALUES, "--set", "scope=cluster"),
    "production": ("-f", str(CHART / "ci" / "production-values.yaml")),
}
CLUSTER_KINDS = {"ClusterRole", "ClusterRoleBinding", "Namespace"}
# What only Helm needs.
_LABELS = ("helm.sh/chart", "app.kubernetes.io/managed-by")
_ANNOTATIONS = ("helm.sh/resource-policy", "checksum/profile")

Object = dict[str, Any]
Key = tuple[str, str, str]


def helm() -> str:
    local = ROOT / ".tools" / "bin" / "helm"
    found = os.environ.get("HELM") or shutil.which("helm") or (str(local) if local.exists() else None)
    if found is None:
        raise SystemExit("helm is not on the PATH: `ci/install-tools` builds it, or name it in HELM")
    return found


def rendered(*options: str) -> dict[Key, Object]:
    """What the chart makes, without what is Helm's; each object by kind, namespace and name."""
    command = [helm(), "template", "tidemill", str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.34.0"]
    text = subprocess.run([*command, "--no-hooks", *options], capture_output=True, text=True, check=True).stdout
    objects = [_plain(one) for one in yaml.safe_load_all(text) if one]
    return {key_of(one): one for one in objects}


def key_of(one: Object) -> Key:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def _plain(one: Object) -> Object:
    if one["kind"] not in CLUSTER_KINDS:
        one["metadata"].setdefault("namespace", NAMESPACE)
    inner = one.get("spec", {}).get("template", {}) if one["kind"] == "Deployment" else {}
    for metadata in (one["metadata"], inner.get("metadata", {})):
        for part, names in (("labels", _LABELS), ("annotations", _ANNOTATIONS)):
            for name in names:
                metadata.get(part, {}).pop(name, None)
            if not metadata.get(part, True):
                del metadata[part]
    return one


def changes(before: Any, after: Any, path: str = "") -> Iterator[Object]:
    """JSON patch operations (RFC 6902) that turn one into the other."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            below = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in after:
                yield {"op": "remove", "path": below}
            elif name not in before:
                yield {"op": "add", "path": below, "value": after[name]}
            else:
                yield from changes(before[name], after[name], below)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changes(old, new, f"{path}/{number}")
    elif isinstance(after, str) and "\n" in after:
        yield {"op": "replace", "value": after, "path": path}  # kustomize trims a patch: a text must not end it
    else:
        yield {"op": "replace", "path": path, "value": after}


def overlay(base: dict[Key, Object], wanted: dict[Key, Object]) -> dict[str, str]:
    """Its files by name."""
    more = [one for key, one in wanted.items() if key not in base]
    patches: list[Object] = []
    for key, one in base.items():
        kind, namespace, name = key
        target = {"kind": kind, "name": name, **({"namespace": namespace} if namespace else {})}
        if key not in wanted:
            gone = {"apiVersion": one["apiVersion"], "kind": kind, "metadata": {"name": name}, "$patch": "delete"}
            gone["metadata"] |= {"namespace": namespace} if namespace else {}
            patches.append({"target": target, "patch": _yaml(gone)})
        elif steps := list(changes(one, wanted[key])):
            patches.append({"target": target, "patch": _yaml(steps)})
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    resources = ["../../base", *(["more.yaml"] if more else [])]
    kustomization = {**head, "resources": resources, **({"patches": patches} if patches else {})}
    files = {"kustomization.yaml": NOTE + _yaml(kustomization)}
    if more:
        files["more.yaml"] = NOTE + _yaml_all(more)
    return files


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _yaml(document: Any) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)


def _yaml_all(documents: list[Object]) -> str:
    return "---\n".join(_yaml(one) for one in documents)


def files() -> dict[str, str]:
    """Every file below manifests/ that is made here, and its text."""
    base = rendered(*VALUES)
    crds = {f"crds/{path.name}": path.read_text(encoding="utf-8") for path in sorted((CHART / "crds").glob("*.yaml"))}
    enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": enforce}}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["namespace.yaml", *crds, "tidemill.yaml"],
    }
    made = {
        "base/kustomization.yaml": NOTE + _yaml(kustomization),
        "base/namespace.yaml": NOTE + _yaml(namespace),
        "base/tidemill.yaml": NOTE + _yaml_all(list(base.values())),
        **{f"base/{name}": text for name, text in crds.items()},
    }
    for name, options in OVERLAYS.items():
        made |= {f"overlays/{name}/{file}": text for file, text in overlay(base, rendered(*options)).items()}
    return made


def main(check: bool) -> int:
    stale = []
    for name, text in files().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale:
        print(f"manifests: {', '.join(stale)} {'stale: run `make manifests`' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
