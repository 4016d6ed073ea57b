"""Debian's MQTT broker for tests, with a password and TLS, on a throwaway folder; restarted at the same address."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.programs import PATIENCE_S, require_program, wait_until
from tests.servers import free_port, throwaway_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "maskwatch", "s3cret/with:odd@signs"


class Mosquitto:
    """One broker; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Write its settings; `start` starts it."""
        self.program = require_program("mosquitto")
        self.port = free_port()
        self.certificate, key = throwaway_certificate(folder)
        key.chmod(0o644)
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        command = [require_program("mosquitto_passwd"), "-b", str(passwords), USER, PASSWORD]
        subprocess.run(command, check=True, capture_output=True)
        passwords.chmod(0o644)
        folder.chmod(0o755)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            f"certfile {self.certificate}\nkeyfile {key}\nuser root\n"
        )
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of a topic there, with user and password."""
        return f"mqtts://{USER}:s3cret%2Fwith%3Aodd%40signs@localhost:{self.port}/site/maskwatch"

    def start(self) -> None:
        """Start and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self.program, "-c", str(self._config)], stdout=log, stderr=log)
        wait_until(self._listens, what="mosquitto's start")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.kill()

    @contextlib.contextmanager
    def listener(self, topic: str = "#") -> Iterator[Messages]:
        """Listen to topics as another program would."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.username_pw_set(USER, PASSWORD)
        client.tls_set_context(ssl.create_default_context(cafile=str(self.certificate)))
        got = Messages()
        client.on_message = lambda _client, _data, message: got.queue.put(message)
        client.on_subscribe = lambda *_: got.queue.put(None)
        client.connect("localhost", self.port)
        client.subscribe(topic, qos=1)
        client.loop_start()
        assert got.queue.get(timeout=PATIENCE_S) is None, "the broker did not acknowledge"
        try:
            yield got
        finally:
            client.disconnect()
            client.loop_stop()
            client._sock_close()

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class Messages:
    """What a listener got, in order within each topic."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.queue: queue.Queue[paho.MQTTMessage | None] = queue.Queue()
        self._later: list[paho.MQTTMessage] = []

    def next(self, topic: str) -> paho.MQTTMessage:
        """Wait for the next message on a topic; those on others are kept for later."""
        for message in self._later:
            if message.topic == topic:
                self._later.remove(message)
                return message
        while True:
            got = self.queue.get(timeout=PATIENCE_S)
            assert got is not None
            if got.topic == topic:
                return got
            self._later.append(got)
