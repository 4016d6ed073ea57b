"""Real servers for tests, started as child processes on throwaway folders and ended with the test."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import socketserver
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
import redis
from psycopg import sql

from tests.programs import missing, require_program, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "s3cret/with:odd@signs"


OWN_PORTS = range(20_000, 32_000)
"""Below those that Linux gives to whoever asks for any: no connection takes one of these by chance."""


def free_port() -> int:
    """Return a TCP port that nothing listens on, and that nobody gets who does not ask for this very one."""
    while True:
        port = secrets.choice(OWN_PORTS)  # not by `random`, which is seeded alike for every test
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """Hold a TCP port that refuses every connection, so that nobody else comes to listen on it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextlib.contextmanager
def swallowing(host: str, port: int) -> Iterator[None]:
    """Have an address of this machine take no connection and refuse none: nobody accepts, and its queue is full."""
    with socket.socket() as held, contextlib.ExitStack() as stack:
        held.bind((host, port))
        held.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


class RedisServer:
    """Debian's redis-server on a unix socket, with a password; restarted at the same address."""

    def __init__(self, directory: Path, *options: str, program: str = "redis-server", config: str = "") -> None:
        """Prepare; `options` go to the command line, `config` into a file that Sentinel needs and rewrites."""
        self.program = require_program(program)
        self.directory = directory
        self.socket = directory / "redis.sock"
        self._options = options
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address with its password."""
        return f"unix://:s3cret%2Fwith%3Aodd%40signs@{self.socket}"

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def client(self) -> redis.Redis:
        """Connect directly, to look at what the bus did."""
        return redis.Redis(unix_socket_path=str(self.socket), password=PASSWORD)

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [self.program]
        if self._config:
            file = self.directory / "server.conf"
            file.write_text(self._config)
            command.append(str(file))
        command += ["--unixsocket", str(self.socket), "--requirepass", PASSWORD, "--dir", str(self.directory)]
        command += ["--save", "", "--appendonly", "no", "--port", "0", *self._options]
        log = (self.directory / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._answers, what="redis-server's start")

    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    stop = kill

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.kill()

    def _answers(self) -> bool:
        with contextlib.closing(self.client()) as client:
            try:
                return bool(client.ping())
            except redis.exceptions.ConnectionError:
                return False


class PostgresServer:
    """Debian's PostgreSQL on a unix socket, with a password; each test takes a database of its own."""

    def __init__(self, directory: Path) -> None:
        """Prepare; the directory is handed to the user the server runs as, since it refuses to run as root."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            missing("PostgreSQL's server")
        self._programs = found[-1].parent
        self._user = "postgres" if os.getuid() == 0 else None
        self.directory = directory
        if self._user:
            shutil.chown(directory, self._user, self._user)
            directory.chmod(0o755)
        self._data = directory / "data"
        password = directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        initdb = ["initdb", "-D", str(self._data), "-U", "watch", "-A", "scram-sha-256", "--pwfile", str(password)]
        self._run(*initdb, "--no-sync", "--no-instructions", "-E", "UTF8", "--locale", "C")

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases, with the password."""
        return f"postgresql://watch:s3cret%2Fwith%3Aodd%40signs@/{database}?host={self.directory}"

    def start(self) -> None:
        """Start and wait until it answers."""
        unsafe = "-c fsync=off -c full_page_writes=off"  # no power cut is tested, but what was committed must be there
        small = "-c max_connections=40 -c shared_buffers=16MB -c autovacuum=off"
        options = f"-c listen_addresses='' -c unix_socket_directories={self.directory} {unsafe} {small}"
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self.directory / "log"), "-o", options, "-w", "start")

    def stop(self) -> None:
        """End it at once, as a crash would; what was committed is there at the next start."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


def throwaway_certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost that signs itself; returns certificate and key."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    command = [require_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


class _SaysItsVersion(socketserver.StreamRequestHandler):
    """Answers each Redis command with OK, and INFO with an old version."""

    def handle(self) -> None:
        """Read commands as arrays of bulk strings."""
        while line := self.rfile.readline():
            if not line.startswith(b"*"):
                continue
            words = []
            for _ in range(int(line[1:])):
                length = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(length + 2)[:-2])
            self.wfile.write(self._answer(words))

    @staticmethod
    def _answer(words: list[bytes]) -> bytes:
        if words[0].upper() == b"HELLO":
            return b"-ERR unknown command 'HELLO'\r\n" if words[1:2] != [b"3"] else b"%1\r\n$5\r\nproto\r\n:3\r\n"
        if words[0].upper() == b"INFO":
            body = b"# Server\r\nredis_version:6.2.14\r\n"
            return b"$%d\r\n%b\r\n" % (len(body), body)
        return b"+OK\r\n"


@contextlib.contextmanager
def old_server() -> Iterator[str]:
    """Run something that says it is Redis 6.2.14; gives its address."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _SaysItsVersion) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        finally:
            server.shutdown()
            thread.join()
