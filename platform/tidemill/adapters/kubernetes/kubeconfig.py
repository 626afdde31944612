"""The current context of a kubeconfig, as the official client's loader has it: exec plugins, certificates, tokens.

Imported by processes outside of a cluster alone: the package costs some 50 MiB (docs/decisions/0012).
"""

from __future__ import annotations

import os
import ssl
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidemill.adapters.kubernetes.access import Access
from tidemill.loop.errors import TidemillError

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_BEARER = "Bearer "


class Kubeconfig:
    """Of KUBECONFIG (several files are merged), or ~/.kube/config. A plugin runs when this is made, and again when its
    token is about to expire (`expirationTimestamp`) or was refused. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._configuration = _load()
        url = urlsplit(self._configuration.host)
        self._tls = _tls(self._configuration) if url.scheme == "https" else None
        self.access = Access(
            url.hostname or "localhost",
            url.port or (443 if url.scheme == "https" else 80),
            _namespace(),
            self._tls,
            self.bearer,
            self.renew,
            url.path.rstrip("/"),
        )

    @property
    def configuration(self) -> Configuration:
        return self._configuration

    def bearer(self) -> str | None:
        with self._lock:
            shown: str | None = self._configuration.get_api_key_with_prefix("authorization")
        return None if shown is None else shown.removeprefix(_BEARER)

    def renew(self) -> bool:
        """Reads everything anew and runs the plugin again. Connections that are made from now on show a certificate
        that it gave."""
        with self._lock:
            before = _shown(self._configuration)
            self._configuration = _load()
            if self._tls is not None:
                _show_certificate(self._tls, self._configuration)
            return _shown(self._configuration) != before


def _load() -> Configuration:
    try:
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException, load_kube_config
    except ImportError as error:
        raise TidemillError(
            "There is no cluster to speak to: this is no Pod with a service account, and kubeconfigs are read by the "
            "package `kubernetes`, which is not installed. Install it: `pip install 'tidemill[kubeconfig]'`."
        ) from error
    configuration = Configuration()
    try:
        load_kube_config(_files(), client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError, TypeError, KeyError) as error:
        raise TidemillError(
            "There is no cluster to speak to: this is no Pod with a service account, and the kubeconfig "
            f"{_files()} cannot be used: {str(error).rstrip('.')}. Set KUBECONFIG to one that has a complete "
            "current context."
        ) from error
    return configuration


def _files() -> str:
    """As it is now: the loader has its own default from when it was imported."""
    return os.environ.get("KUBECONFIG") or "~/.kube/config"


def _namespace() -> str:
    from kubernetes.config import list_kube_config_contexts

    _, active = list_kube_config_contexts(_files())
    return str(active["context"].get("namespace") or "default")


def _tls(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _show_certificate(context, configuration)
    return context


def _show_certificate(context: ssl.SSLContext, configuration: Configuration) -> None:
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)


def _shown(configuration: Configuration) -> tuple[str | None, str | None]:
    """The loader keeps a certificate in a file that is named after nothing of it, so the name tells new from old."""
    return configuration.api_key.get("authorization"), configuration.cert_file
