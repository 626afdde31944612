"""`tidemill render`: manifests that join a loop to what others run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tidemill.adapters.argo.events import Inbox

_NEEDED = {"s3-sqs": ("queue", "region"), "kafka": ("brokers", "topic"), "webhook": ()}


@click.command()
@click.argument("file", default=".", type=click.Path(path_type=Path))
@click.option(
    "--argo-events",
    "source",
    required=True,
    type=click.Choice(list(_NEEDED)),
    help="What tells of data that arrived. s3-sqs: a bucket's notifications in a queue; also for MinIO and SeaweedFS "
    "with a queue or webhook of theirs, which Argo's own minio source does not serve.",
)
@click.option("--server", default="http://tidemill.tidemill.svc:8081", show_default=True, help="The server's URL.")
@click.option("--namespace", default="default", show_default=True, help="The loop's namespace.")
@click.option(
    "--token-secret", default="tidemill-sender", show_default=True,
    help="Secret whose key authorization holds `Bearer ...`.",
)  # fmt: skip
@click.option("--dlq", help="URL to post events to that the server did not take in the end.")
@click.option("--queue", help="s3-sqs: name of the queue.")
@click.option("--region", help="s3-sqs: its region.")
@click.option("--aws-secret", help="s3-sqs: Secret with accesskey and secretkey; without it, the Pod's role.")
@click.option("--brokers", help="kafka: host:port, several separated by commas.")
@click.option("--topic", help="kafka: the topic.")
@click.option("--group", help="kafka: the consumer group; by default tidemill-<loop>.")
@click.option("--port", type=int, default=12000, show_default=True, help="webhook: port.")
@click.option("--endpoint", default="/arrived", show_default=True, help="webhook: path.")
@click.option("--webhook-secret", default="tidemill-webhook", show_default=True,
              help="webhook: Secret whose key token its callers must send.")  # fmt: skip
def command(
    file: Path, source: str, server: str, namespace: str, token_secret: str, dlq: str | None, **given: Any
) -> None:
    """Print manifests for Argo Events that tell the server of FILE's loop that data has arrived."""
    from tidemill.adapters.argo.events import Inbox
    from tidemill.spec.find import find_loop
    from tidemill.spec.loading import load_loop

    missing = [f"--{name}" for name in _NEEDED[source] if not given[name]]
    if missing:
        raise click.UsageError(f"--argo-events {source} needs {' and '.join(missing)}.")
    loop = load_loop(find_loop(file)).metadata.name
    click.echo(_text(Inbox(server, namespace, loop, token_secret, dlq), source, given), nl=False)


def _text(inbox: Inbox, source: str, given: dict[str, Any]) -> str:
    import yaml

    from tidemill.adapters.argo import events as argo

    if source == "s3-sqs":
        spec = argo.sqs_source(given["queue"], given["region"], given["aws_secret"])
    elif source == "kafka":
        spec = argo.kafka_source(given["brokers"], given["topic"], given["group"] or inbox.name)
    else:
        spec = argo.webhook_source(given["port"], given["endpoint"], given["webhook_secret"])
    note = (
        f"# Tells Tidemill's server that data for loop {inbox.loop} has arrived. Made by `tidemill render`.\n"
        f"# The secret, from a service account that is bound to tidemill-sender in namespace {inbox.namespace}:\n"
        f"#   kubectl create secret generic {inbox.secret} \\\n"
        '#     --from-literal=authorization="Bearer $(kubectl create token SERVICE-ACCOUNT --duration=8760h)"\n'
    )
    documents = [yaml.dump(document, Dumper=_plain(), sort_keys=False) for document in argo.manifests(inbox, spec)]
    return note + "---\n".join(documents)


def _plain() -> Any:
    import yaml

    class Plain(yaml.SafeDumper):
        """Writes the same thing twice rather than as an anchor, which not every reader of manifests takes."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Plain
