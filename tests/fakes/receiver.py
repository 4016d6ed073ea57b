"""An HTTP receiver of web hooks that fails, hangs, redirects and repeats as it is told, and remembers all it got."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.headers["idempotency-key"]


class Receiver:
    """Listens on a port of its own; a context manager. Answers 204 unless `answers` says otherwise.

    Each of `answers` is used once: a status, "hang" (until the receiver ends), "cut" (hangs up without an answer), or
    an address to redirect to.
    """

    def __init__(self, port: int = 0, certificate: tuple[Path, Path] | None = None, *, listens: bool = True) -> None:
        """Begin to listen, or take the port alone and refuse until `listen`; a certificate with its key means TLS."""
        self.requests: list[Received] = []
        self.answers: list[int | str] = []
        self.headers: dict[str, str] = {}  # of every answer
        self.on_request: Callable[[Received], None] | None = None  # runs before the answer
        self._end = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler, self)
        self._server.server_bind()
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.port = int(self._server.server_address[1])
        if listens:
            self.listen()

    def listen(self) -> None:
        """Begin to listen."""
        self._server.server_activate()
        self._thread.start()

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Where to send to."""
        return f"{scheme}://{host}:{self.port}{path}"

    def close(self) -> None:
        """Stop listening; whoever hangs is let go."""
        self._end.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        """Return itself, which listens already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.close()

    def wait_for_the_end(self) -> None:
        """Hang."""
        self._end.wait(60)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(address, handler, bind_and_activate=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: that clients hang up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        received = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        receiver.requests.append(received)
        if receiver.on_request is not None:
            receiver.on_request(received)
        answer = receiver.answers.pop(0) if receiver.answers else 204
        if answer == "hang":
            receiver.wait_for_the_end()
        if answer in {"hang", "cut"}:
            self.close_connection = True
            return
        self.send_response(answer if isinstance(answer, int) else 307)
        if isinstance(answer, str):
            self.send_header("location", answer)
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
