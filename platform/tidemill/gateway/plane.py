"""The data plane of one loop: which versions are loaded, which route is live, what a request gets."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill.adapters.remote_outcomes import RemoteOutcomes
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import ArtifactChanged, NotReady, TemporaryError
from tidemill.loop.model import Arm, Calibrator, ModelVersion, Readiness, Receipt, Role, Route
from tidemill.loop.ports import Clock, Outcomes, PredictionLog
from tidemill.spec.model_loop import ModelLoop

from .answering import answer, answer_fixed
from .journal import Journal
from .loads import Loads, StillLoading
from .metrics import Metrics
from .mirror import Mirror
from .models import load
from .protocol import Inference
from .records import Group
from .refusals import Refused
from .remote import adopt
from .scoring import Model
from .units import placed
from .user_code import failure

KEPT_UNROUTED = 4  # versions that were prepared and are in no route: a challenger about to start, say

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Live:
    """A route and its models, as one value: a request sees one or the next, never half of each."""

    route: Route
    models: Mapping[str, Model]
    champion: Arm
    calibrators: Mapping[str, Calibrator | None]


class Plane:
    """`prepare` and `apply` may be called from any thread, before the gateway runs or while it does."""

    def __init__(
        self,
        loop: ModelLoop,
        log: PredictionLog,
        outcomes: Outcomes | RemoteOutcomes | None,
        clock: Clock,
        metrics: Metrics,
        name: str | None = None,
    ) -> None:
        self.name = name or loop.metadata.name
        self.outcomes = outcomes
        self.clock = clock
        self.metrics = metrics
        self.follow(loop)
        self.journal = Journal(self.name, log, metrics)
        self.mirror = Mirror(self.name, self.journal, clock, metrics)
        self.live: Live | None = None
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._loads: Loads[Model] = Loads()
        self._lock = threading.Lock()

    def follow(self, loop: ModelLoop) -> None:
        """From the next request on, what the loop's spec says of requests holds."""
        self._loop = loop.metadata.name
        self.spec = loop.spec
        self.timeout = loop.spec.serving.timeout.total_seconds()

    def prepare(self, version: ModelVersion, endpoint: str | None = None) -> Readiness:
        """Loads a version once, or learns what the model server at `endpoint` serves; where that is done, checks that
        its files are still the ones that were registered. A load that takes long goes on, and is asked about again."""
        try:
            served = self._models.get(version.version)
            if served is None or (served.digest, served.endpoint) != (version.digest, endpoint):
                served = self._made(version, endpoint)
            else:
                served.check(version.digest)
        except ArtifactChanged as error:
            return Readiness(False, str(error), Reason.ARTIFACT_CHANGED)
        except StillLoading as error:
            return Readiness(False, f"Version {version.version} of {self.name}: {error}.", Reason.NOT_READY)
        except TemporaryError as error:
            return Readiness(False, str(error), Reason.NOT_READY)
        except Exception as error:
            _log.exception("version %s of %s does not load", version.version, self.name)
            message = f"Version {version.version} of {self.name} does not load: {failure(error)}."
            return Readiness(False, f"{message} Fix the model, or install what it needs.", Reason.NOT_READY)
        with self._lock:
            self._models[version.version] = served
            self._models.move_to_end(version.version)
        return Readiness(True)

    def _made(self, version: ModelVersion, endpoint: str | None) -> Model:
        if endpoint is not None:
            return adopt(version, endpoint, self._loop)
        return self._loads.result((version.version, version.digest), lambda: load(version))

    def apply(self, route: Route) -> None:
        """From the next request on. Raises NotReady for a version that is not loaded."""
        with self._lock:
            names = dict.fromkeys([*(arm.version for arm in route.arms), *route.fallback])
            missing = [name for name in names if name not in self._models]
            if missing:
                raise NotReady(f"Versions {', '.join(missing)} of {self.name} are not loaded. Prepare them first.")
            models = {name: self._models[name] for name in names}
            champion = next((arm for arm in route.arms if arm.role is Role.CHAMPION), route.arms[0])
            self.live = Live(route, models, champion, {arm.version: arm.calibrator for arm in route.arms})
            unrouted = [name for name in self._models if name not in models]
            for name in unrouted[: max(0, len(unrouted) - KEPT_UNROUTED)]:
                del self._models[name]

    def loaded(self, version: str) -> Model:
        served = self._models.get(version)
        if served is None:
            raise Refused(404, f"Version {version} of {self.name} is not loaded. Loaded: {', '.join(self._models)}.")
        return served

    def versions(self) -> list[str]:
        return list(self._models)

    async def infer(self, request: Inference) -> list[Group]:
        """Answers, logs, and mirrors later. Raises Refused where a row got no answer from anybody."""
        live = self.live
        if live is None:
            raise Refused(503, f"Loop {self.name} has no champion yet. Run `tidemill run`, and see `tidemill status`.")
        request = placed(request, live.route.unit)
        groups = await answer(live.route, live.models, live.calibrators, live.champion, request, self.timeout)
        await self._record(request, groups)
        self.mirror.later(live.route, live.models, request, groups)
        _refuse_unanswered(self.name, groups)
        return groups

    async def infer_fixed(self, request: Inference, version: str) -> list[Group]:
        """One version, asked for by name; no fallback, no mirror, and no evidence for anybody."""
        live = self.live
        calibrator = None if live is None else live.calibrators.get(version)
        groups = [await answer_fixed(self.loaded(version), calibrator, request, self.timeout)]
        await self._record(request, groups)
        _refuse_unanswered(self.name, groups)
        return groups

    def record(self, keys: list[str], labels: list[Any]) -> Receipt:
        """Stores labels, or hands them on. Raises LabelRefused, TemporaryError, Refused where none are taken."""
        if self.outcomes is None:
            raise Refused(
                403,
                "This gateway takes no labels. Send them to the Tidemill server, which authenticates the sender: POST "
                "/v1/namespaces/{namespace}/loops/{loop}/outcomes, or `tidemill outcomes --from FILE`.",
            )
        if isinstance(self.outcomes, RemoteOutcomes):
            return self.outcomes.record_pairs(keys, labels)
        import pandas as pd

        frame = pd.DataFrame({"key": keys, "label": pd.Series(labels, dtype=object)})
        return self.outcomes.record(frame, self.now(), "http")

    def now(self) -> datetime:
        return self.clock.now()

    async def _record(self, request: Inference, groups: list[Group]) -> None:
        await self.journal.write(request, groups, self.clock.now())


def _refuse_unanswered(loop: str, groups: list[Group]) -> None:
    for group in groups:
        if group.scored is None:
            why = "; ".join(group.why)
            raise Refused(503, f"No version of {loop} could answer: {why}.")
