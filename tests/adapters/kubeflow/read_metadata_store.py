"""Run by the metadata store's own client: HOST PORT RUN. Prints what the store has of the run, as JSON."""

import json
import sys

from google.protobuf import json_format
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2


def value(of):
    kind = of.WhichOneof("value")
    found = getattr(of, kind)
    return json_format.MessageToDict(found) if kind in ("struct_value", "proto_value") else found


host, port, run = sys.argv[1:]
store = metadata_store.MetadataStore(metadata_store_pb2.MetadataStoreClientConfig(host=host, port=int(port)))
context = store.get_context_by_type_and_name("system.PipelineRun", run)
types = {kind.id: kind.name for kind in store.get_artifact_types()}
found = {
    "artifacts": [
        {
            "name": artifact.name,
            "type": types[artifact.type_id],
            "uri": artifact.uri,
            "metadata": {name: value(given) for name, given in artifact.custom_properties.items()},
        }
        for artifact in store.get_artifacts_by_context(context.id)
    ],
    "executions": [
        {
            "task": execution.custom_properties["task_name"].string_value,
            "state": metadata_store_pb2.Execution.State.Name(execution.last_known_state),
        }
        for execution in store.get_executions_by_context(context.id)
    ],
}
json.dump(found, sys.stdout)
