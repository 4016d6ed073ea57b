"""Serves /metrics to Prometheus, from a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import disable_created_metrics, start_http_server

from maskwatch.errors import ConfigError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Exposition:
    """A small HTTP server that answers scrapes until it is closed."""

    def __init__(self, registry: CollectorRegistry, *, host: str, port: int) -> None:
        """Begin to answer; port 0 takes a free one. Raises ConfigError if the address cannot be had."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series for each series, of no use here
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise ConfigError(
                f"metrics: cannot listen on {host}:{port}: {error.strerror}. Choose another `metrics.port`, or 0."
            ) from None
        self.host = host
        self.port = int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where Prometheus finds the metrics."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop answering, and wait for the thread to end."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
