"""Where one loop's things are on a cluster: the Context that a tick needs, from its object and the Profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.adapters.system_clock import SystemClock
from tidemill.loop.errors import TidemillError
from tidemill.loop.turn.files import join
from tidemill.spec.resources import StepNeeds

from .remembered import RememberedContent, RememberedRegistry
from .step_secrets import check_secrets
from .wanted import Owner

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi
    from tidemill.adapters.kubernetes.model_deployment import ModelServing
    from tidemill.adapters.sql.database import Database
    from tidemill.adapters.step_settings import StepSettings, TaskSettings
    from tidemill.loop.context import Context
    from tidemill.loop.ports import Notifier, Pipelines, Serving, State
    from tidemill.spec.model_loop import ModelLoop
    from tidemill.spec.profile import Pods, ProfileSpec, StepPods

    from .rollouts import Rollouts

_KINDS = ("requests", "limits")
PROJECT = Path("/project")  # where an image keeps the project's code


class Place:
    """The cluster as the Profile describes it. `home_namespace` is the installation's own: loops of others carry their
    namespace in the names that all namespaces share (MLflow's, Kubeflow's). `scratch`: a folder for what was fetched
    of prediction logs, which whoever opens the place again finds there; by default each has its own."""

    def __init__(
        self,
        profile: ProfileSpec,
        database: Database,
        api: KubernetesApi,
        home_namespace: str,
        scratch: Path | None = None,
    ) -> None:
        if profile.storage is None or profile.tracking is None:
            raise TidemillError(
                "On a cluster the Profile must name `storage` (a URL such as s3://bucket/folder) and `tracking` (an "
                "MLflow server): turns run in other Pods than this one."
            )
        self._profile, self.database, self.api = profile, database, api
        self._storage, self._tracking = profile.storage, profile.tracking
        self._home, self._scratch = home_namespace, scratch
        self._steps(), self._model_servers()  # what is missing is said at the start, not by a loop's first tick
        self._argo_is_there = False

    def context(self, loop: ModelLoop, owner: Owner, notifier: Notifier) -> Context:
        from tidemill.adapters.great_expectations import GreatExpectationsValidator
        from tidemill.adapters.log.stored import StoredPredictionLog
        from tidemill.adapters.mlflow_registry import MlflowRegistry
        from tidemill.adapters.scoped_registry import ScopedRegistry
        from tidemill.adapters.sql.outcomes import SqlOutcomes
        from tidemill.adapters.store_source import StoreSource
        from tidemill.loop.context import Context, Ports

        root = join(self._storage, owner.namespace, owner.name)
        source = loop.spec.data.source
        pattern, format = (source.parquet, "parquet") if source.parquet is not None else (source.csv, "csv")
        assert pattern is not None, "the spec takes exactly one source"
        prefix = self._prefix(owner)
        state = self.state(owner)
        registry = MlflowRegistry(self._tracking, join(root, "artifacts"))
        ports = Ports(
            source=StoreSource(root, pattern, format, loop.spec.data.key, RememberedContent(state, owner.name)),
            log=StoredPredictionLog(join(root, "predictions"), merge=True, cache=self._cache(owner)),
            outcomes=SqlOutcomes(self.database, f"{owner.namespace}/{owner.name}"),
            registry=ScopedRegistry(RememberedRegistry(registry), prefix),
            serving=self._serving(loop, owner),
            pipelines=self._pipelines(loop, owner, root),
            validator=GreatExpectationsValidator(),
            notifier=notifier,
            state=state,
        )
        image = loop.spec.model.image or self._steps().image
        return Context(loop, PROJECT, root, self._tracking, ports, root=root, image=image, prefix=prefix)

    def state(self, owner: Owner) -> State:
        from tidemill.adapters.scoped_state import ScopedState
        from tidemill.adapters.sql.state import SqlState

        return ScopedState(SqlState(self.database), owner.namespace)

    def rollouts(self, owner: Owner) -> Rollouts:
        from .rollouts import Rollouts

        return Rollouts(self.api, owner, self._profile.names == "policy")

    def _cache(self, owner: Owner) -> Path | None:
        return None if self._scratch is None else self._scratch / owner.namespace / owner.name

    def _prefix(self, owner: Owner) -> str:
        return "" if owner.namespace == self._home else f"{owner.namespace}."

    def _steps(self) -> StepPods:
        place = self._profile.pipelines
        if place.kubeflow is not None:
            return place.kubeflow.steps
        if place.argo is not None:
            return place.argo.steps
        raise TidemillError(
            "The Profile names nothing that runs turns: on a cluster that is pipelines.kubeflow (a Kubeflow Pipelines "
            "server) or pipelines.argo (Argo Workflows). Plain Jobs are not offered."
        )

    def _model_servers(self) -> Pods:
        pods = self._profile.serving.deployments
        if pods is None:
            raise TidemillError(
                "The Profile names nothing that serves versions: on a cluster that is serving.deployments."
            )
        return pods

    def _pipelines(self, loop: ModelLoop, owner: Owner, root: str) -> Pipelines:
        from tidemill.adapters.argo.pipelines import ArgoPipelines
        from tidemill.adapters.cluster_runners import choose, serves_workflows
        from tidemill.adapters.kubeflow.pipelines import KubeflowPipelines
        from tidemill.adapters.kubeflow.pods import Explainer
        from tidemill.adapters.kubeflow.server import KubeflowServer
        from tidemill.adapters.local.pipelines import compiled

        # Whoever runs turns may do it for other namespaces, too, and for other installations.
        name = f"{owner.namespace}.{owner.name}"
        kubeflow, argo, steps = self._profile.pipelines.kubeflow, self._profile.pipelines.argo, self._steps()
        if kubeflow is None:
            assert argo is not None, "self._steps raised else"
            check_secrets(loop, owner.namespace, {argo.namespace or owner.namespace}, steps.allowed_secrets)
            if not self._argo_is_there:  # asked until it is, not for each of a thousand loops
                choose("", serves_workflows(self.api), "argo")
                self._argo_is_there = True
            settings = step_settings(steps, loop, argo.namespace or owner.namespace)
            return ArgoPipelines(self.api, name, settings)
        # In a multi-user installation it is the user's namespace, in another one that says nothing: we cannot tell.
        runs_in = {kubeflow.namespace, kubeflow.user_namespace or kubeflow.namespace}
        check_secrets(loop, owner.namespace, runs_in, steps.allowed_secrets)
        token = None if kubeflow.token_file is None else Path(kubeflow.token_file)
        settings = step_settings(steps, loop, kubeflow.runs_namespace)
        pods = Explainer(self.api, kubeflow.runs_namespace)
        return KubeflowPipelines(
            KubeflowServer(kubeflow.endpoint, kubeflow.user_namespace, token),
            compiled("training"),
            settings,
            name,
            root,
            SystemClock(),  # how long a run took, whatever time the loop lives in
            pods,
            pods.images,
        )

    def _serving(self, loop: ModelLoop, owner: Owner) -> Serving:
        from tidemill.adapters.kubernetes.deployment_serving import DeploymentServing

        pods = self._model_servers()
        serving = model_serving(pods, loop)
        return DeploymentServing(loop, owner.namespace, serving, self.api, SystemClock(), owner.reference)


def model_serving(pods: Pods, loop: ModelLoop) -> ModelServing:
    """How the loop's versions are served: from the image that they were trained in, since they need its packages."""
    from tidemill.adapters.kubernetes.model_deployment import ModelServing
    from tidemill.adapters.step_settings import SecretEnv

    given = {kind: pods.resources[kind] for kind in ("requests", "limits") if kind in pods.resources}
    return ModelServing(
        image=loop.spec.model.image or pods.image,
        pull_policy=pods.pull_policy,
        pull_secrets=pods.pull_secrets,
        environment=pods.env,
        secrets=tuple(SecretEnv(secret.name, secret.keys) for secret in pods.secrets),
        service_account=pods.service_account or None,
        node_selector=pods.node_selector,
        **given,
    )


def step_settings(pods: Pods, loop: ModelLoop, namespace: str) -> StepSettings:
    """What the steps of this loop's turns are given: the Profile's, and before these the loop's own."""
    from tidemill.adapters.step_settings import SecretEnv, StepSettings

    needs = loop.spec.resources.by_step()
    every = needs.pop("every", StepNeeds())
    of_all = task_settings(every)
    return StepSettings(
        namespace=namespace,
        image=loop.spec.model.image or pods.image,
        image_pull_policy=pods.pull_policy,
        image_pull_secrets=pods.pull_secrets,
        service_account=pods.service_account,
        env=pods.env,
        secrets=(*(SecretEnv(secret.name, secret.keys) for secret in pods.secrets), *of_all.secrets),
        resources={kind: {**pods.resources.get(kind, {}), **of_all.resources.get(kind, {})} for kind in _KINDS},
        node_selector={**pods.node_selector, **of_all.node_selector},
        tasks={step: task_settings(own) for step, own in needs.items()},
    )


def task_settings(needs: StepNeeds) -> TaskSettings:
    """Cores are asked for and not capped: a step may use what nobody else wants. Memory is both."""
    from tidemill.adapters.step_settings import SecretEnv, TaskSettings

    requests = {name: value for name, value in (("cpu", needs.cpu), ("memory", needs.memory)) if value is not None}
    limits = {} if needs.memory is None else {"memory": needs.memory}
    if needs.gpu is not None:
        limits[needs.gpu.resource] = str(needs.gpu.count)
    secrets = tuple(SecretEnv(secret.name, secret.keys) for secret in needs.secrets)
    return TaskSettings({"requests": requests, "limits": limits}, needs.node_selector, secrets)
