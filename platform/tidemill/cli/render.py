"""`tidemill render`: manifests that join a loop to what others run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tidemill.adapters.argo.events import Inbox
    from tidemill.spec.profile import ServerAddress

_NEEDED = {"s3-sqs": ("queue", "region"), "kafka": ("brokers", "topic"), "webhook": ()}
_LOOPBACK = re.compile(r"https?://(localhost|127\.|\[::1\])")


def _like(pattern: str, what: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    def check(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        if value is None or re.fullmatch(pattern, value, re.ASCII):
            return value
        raise click.BadParameter(f"{value!r} is {what}.")

    return check


_NAME = _like(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "no name: use a-z, 0-9 and '-', at most 63, as Kubernetes does")
_SECRET = _like(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", "no name of a Secret: use a-z, 0-9, '-' and '.'")
_URL = _like(r"https?://[^\s/]+(/\S*)?", "no URL: write http://host:port")
_PATH = _like(r"/\S*", "no path: it begins with /, such as /arrived")
_BROKERS = _like(r"[^\s,:]+:\d+(,[^\s,:]+:\d+)*", "no list of brokers: write host:port, several separated by commas")


@click.command()
@click.argument("file", default=".", type=click.Path(path_type=Path))
@click.option("--profile", type=click.Path(path_type=Path), envvar="TIDEMILL_PROFILE",
              help="A Profile whose spec.server says where the loop is.")  # fmt: skip
@click.option(
    "--argo-events",
    "source",
    required=True,
    type=click.Choice(list(_NEEDED)),
    help="What tells of data that arrived. s3-sqs: a bucket's notifications in a queue; also for MinIO and SeaweedFS "
    "with a queue or webhook of theirs, which Argo's own minio source does not serve.",
)
@click.option("--namespace", callback=_NAME, help="The loop's namespace.  [default: the profile's, or default]")
@click.option("--server", callback=_URL,
              help="The server's URL, as Pods reach it.  [default: the profile's, unless it is this machine's, or "
              "http://tidemill.NAMESPACE.svc:8081]")  # fmt: skip
@click.option("--events-namespace", default="argo-events", show_default=True, callback=_NAME,
              help="The namespace that you apply this in.")  # fmt: skip
@click.option("--token-secret", default="tidemill-sender", show_default=True, callback=_SECRET,
              help="Secret whose key authorization holds `Bearer ...`.")  # fmt: skip
@click.option("--dlq", callback=_URL, help="URL to post events to that the server did not take in the end.")
@click.option("--queue", help="s3-sqs: name of the queue.")
@click.option("--region", help="s3-sqs: its region.")
@click.option("--aws-secret", callback=_SECRET,
              help="s3-sqs: Secret with accesskey and secretkey; without it, the Pod's role.")  # fmt: skip
@click.option("--brokers", callback=_BROKERS, help="kafka: host:port, several separated by commas.")
@click.option("--topic", help="kafka: the topic.")
@click.option("--group", help="kafka: the consumer group; by default tidemill-<loop>.")
@click.option("--port", type=click.IntRange(1, 65535), default=12000, show_default=True, help="webhook: port.")
@click.option("--endpoint", default="/arrived", show_default=True, callback=_PATH, help="webhook: path.")
@click.option("--webhook-secret", default="tidemill-webhook", show_default=True, callback=_SECRET,
              help="webhook: Secret whose key token its callers must send.")  # fmt: skip
def command(
    file: Path, profile: Path | None, source: str, namespace: str | None, server: str | None, events_namespace: str,
    token_secret: str, dlq: str | None, **given: Any,
) -> None:  # fmt: skip
    """Print manifests for Argo Events that tell the server of FILE's loop that data has arrived."""
    from tidemill.adapters.argo.events import Inbox
    from tidemill.spec.find import find_loop
    from tidemill.spec.loading import load_loop, load_profile

    missing = [f"--{name}" for name in _NEEDED[source] if not given[name]]
    if missing:
        raise click.UsageError(f"--argo-events {source} needs {' and '.join(missing)}.")
    loop = load_loop(find_loop(file)).metadata.name
    where = load_profile(profile).spec.server
    namespace = namespace or ("default" if where is None else where.namespace)
    inbox = Inbox(server or _server(where, namespace), namespace, loop, token_secret, dlq)
    click.echo(_note(inbox, source, events_namespace, given) + _text(inbox, source, given), nl=False)


def _server(profile: ServerAddress | None, namespace: str) -> str:
    """As Pods reach it: not by a port that is forwarded to this machine. The chart's Service, if nobody says better."""
    if profile is not None and not _LOOPBACK.match(profile.url):
        return profile.url
    return f"http://tidemill.{namespace}.svc:8081"


def _note(inbox: Inbox, source: str, where: str, given: dict[str, Any]) -> str:
    """What must be there besides, as commands."""
    account = f"kubectl -n {inbox.namespace}"
    secret = f"kubectl -n {where} create secret generic"
    lines = [
        f"Tells Tidemill's server that data for loop {inbox.loop} has arrived. Made by `tidemill render`.",
        f"Apply it in namespace {where}. An account in the loop's namespace sends, and its token is in a secret:",
        f"  {account} create serviceaccount tidemill-sender",
        f"  {account} create rolebinding tidemill-sender --clusterrole=tidemill-sender \\",
        f"    --serviceaccount={inbox.namespace}:tidemill-sender",
        f"  {secret} {inbox.secret} \\",
        f'    --from-literal=authorization="Bearer $({account} create token tidemill-sender --duration=8760h)"',
    ]
    if source == "webhook":
        lines += [
            "Who posts to the webhook sends `Authorization: Bearer ...` with the token of another one:",
            f'  {secret} {given["webhook_secret"]} --from-literal=token="$(openssl rand -hex 32)"',
        ]
    if source == "s3-sqs" and given["aws_secret"]:
        lines += [
            "The keys of the queue:",
            f"  {secret} {given['aws_secret']} --from-literal=accesskey=... --from-literal=secretkey=...",
        ]
    return "".join(f"# {line}\n" for line in lines)


def _text(inbox: Inbox, source: str, given: dict[str, Any]) -> str:
    import yaml

    from tidemill.adapters.argo import events as argo

    if source == "s3-sqs":
        spec = argo.sqs_source(given["queue"], given["region"], given["aws_secret"])
    elif source == "kafka":
        spec = argo.kafka_source(given["brokers"], given["topic"], given["group"] or inbox.name)
    else:
        spec = argo.webhook_source(given["port"], given["endpoint"], given["webhook_secret"])
    return "---\n".join(
        yaml.dump(document, Dumper=_plain(), sort_keys=False) for document in argo.manifests(inbox, spec)
    )


def _plain() -> Any:
    import yaml

    class Plain(yaml.SafeDumper):
        """Writes the same thing twice rather than as an anchor, which not every reader of manifests takes."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Plain
