"""Which Secrets a loop may name for its steps.

Whoever may write a ModelLoop names Secrets that Pods of ours then hold. In the loop's own namespace that is its
authors' affair; where steps run elsewhere, a ModelLoop would else be a key to all that lies there.
"""

from __future__ import annotations

from collections.abc import Collection

from tidemill.loop.errors import TidemillError
from tidemill.spec.model_loop import ModelLoop


def check_secrets(loop: ModelLoop, own: str, runs_in: Collection[str], allowed: Collection[str]) -> None:
    """`own` is the loop's namespace, `runs_in` all that its steps may run in, `allowed` what the Profile lists. Raises
    TidemillError that names every Secret which the loop does not get."""
    elsewhere = sorted(namespace for namespace in set(runs_in) if namespace != own)
    if not elsewhere:
        return
    refused = [
        f"{secret.name} (spec.resources.{step}.secrets)"
        for step, needs in loop.spec.resources.by_step().items()
        for secret in needs.secrets
        if secret.name not in allowed
    ]
    if refused:
        where = " or ".join(elsewhere)
        raise TidemillError(
            f"Loop {loop.metadata.name} is of namespace {own} and its steps run in {where}: of the Secrets there it "
            f"gets those alone that the installation allows. It does not allow {', '.join(refused)}. Leave that out, "
            "or have it added to pipelines.steps.allowedSecrets of the chart (steps.allowedSecrets of the Profile)."
        )
