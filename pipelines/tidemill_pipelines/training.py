"""One turn: from admitted partitions to a registered challenger, or to the reason why there is none.

Plain conditions on strings only, so that every Kubeflow Pipelines server from 2.0 on runs it. The request's digest is a
parameter of every step: a cache that looked at the URI alone would answer with old data.
"""

from kfp import dsl
from tidemill_components.evaluate import evaluate
from tidemill_components.features import features
from tidemill_components.ingest import ingest
from tidemill_components.refit import refit
from tidemill_components.register import register
from tidemill_components.train import train
from tidemill_components.validate import validate


@dsl.pipeline(name="tidemill-training", description="Data, checks, features, training, evaluation, registration")
def training(request_uri: str, request_digest: str) -> None:
    request = {"request_uri": request_uri, "request_digest": request_digest}
    data = ingest(**request)
    checked = validate(**request, data_digest=data.outputs["digest"], dataset=data.outputs["dataset"])
    with dsl.If(checked.outputs["Output"] == "Passed", name="data-is-sound"):
        prepared = features(**request, dataset=data.outputs["dataset"])
        models = train(**request, prepared=prepared.outputs["prepared"])
        judged = evaluate(**request, prepared=prepared.outputs["prepared"], models=models.outputs["models"])
        with dsl.If(judged.outputs["Output"] == "Accepted", name="challenger-is-accepted"):
            final = refit(**request, prepared=prepared.outputs["prepared"], models=models.outputs["models"])
            register(**request, refitted=final.outputs["refitted"])
