"""The services of deploy/compose.yaml as plain processes: for machines without a container engine.

Each service gets an address of its own (127.0.1.x) in place of its name, and folders in place of its mounts. Its
command, environment, health check and the order of starting are taken from the compose file and the Dockerfile.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

from dashboard.access.passwords import hash_password
from tests.conftest import ROOT
from tests.programs import require_program
from tests.stack import wait_for

COMPOSE = str(Path(sys.executable).with_name("docker-compose"))
NO_PROGRAM = ("grafana", "postgres", "go2rtc")
"""Images whose program no package of Debian 12 brings; their services are checked as text alone."""

Service = dict[str, Any]


def resolved(folder: Path, *profiles: str, **variables: str) -> dict[str, Service]:
    """Return all services of the compose file in a folder, as Docker Compose itself reads it."""
    command = [COMPOSE, "-f", str(folder / "compose.yaml")]
    command += [word for profile in profiles for word in ("--profile", profile)]
    run = subprocess.run(
        [*command, "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)} | variables,
    )
    assert run.returncode == 0, run.stderr

    services: dict[str, Service] = json.loads(run.stdout)["services"]
    return services


def image_environment() -> dict[str, str]:
    """Return what the Dockerfile sets for every role."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    final = text.rpartition("FROM ")[2]
    return {
        name: value
        for line in final.splitlines()
        if line.startswith("ENV ")
        for name, value in re.findall(r"(\w+)=(\S+)", line)
        if name != "PATH"
    }


def is_runnable(service: Service) -> bool:
    """Whether a Debian package, or this repository, brings the program of the service's image."""
    return not any(name in service["image"] for name in NO_PROGRAM)


def is_open(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


class Composed:
    """Runs services until the block ends; each may be looked at by its name."""

    def __init__(self, folder: Path, services: dict[str, Service], secrets: dict[str, Path]) -> None:
        """Prepare: `secrets` are files by the name of the secret."""
        self.folder = folder
        self.services = services
        self.secrets = secrets
        self.addresses = {name: f"127.0.1.{number}" for number, name in enumerate(services, start=10)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = image_environment()

    def __enter__(self) -> Self:
        """Start all in the order of `depends_on`, waiting where it asks for health."""
        try:
            for name in self._order():
                for other, wanted in self.services[name].get("depends_on", {}).items():
                    if wanted["condition"] == "service_healthy" and other in self.processes:
                        wait_for(lambda other=other: self.is_healthy(other), within_s=90, what=f"{other}'s health")  # type: ignore[misc]
                self._start(name)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """End what still runs; on a failure show the logs."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        if kind is not None:
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")  # noqa: T201 - pytest shows it

    def stop(self) -> dict[str, int]:
        """End all with SIGTERM, the last started first; returns the exit codes."""
        codes = {}
        for name, process in reversed(self.processes.items()):
            process.terminate()
            codes[name] = process.wait(60)
        return codes

    def url(self, service: str, port: int, path: str) -> str:
        """Return the address at which a service answers here."""
        return f"http://{self.addresses[service]}:{port}{path}"

    def is_healthy(self, name: str) -> bool:
        """Run the service's own health check."""
        assert self.processes[name].poll() is None, f"{name} ended with {self.processes[name].returncode}"
        service = self.services[name]
        kind, *words = service["healthcheck"]["test"]
        words = [self._said(name, word) for word in words]
        if words[0] == "wget":
            try:
                with urllib.request.urlopen(words[-1], timeout=5) as answer:  # noqa: S310 - our own address
                    return bool(answer.status == 200)
            except OSError:
                return False
        if words[0] == "nc":
            return is_open(words[-2], int(words[-1]))
        if kind == "CMD-SHELL":
            script = words[0].replace("valkey-cli", f"redis-cli -h {self.addresses[name]}")
            words = ["sh", "-c", script]
        else:
            words = self._program(name, words[:1]) + words[1:]
        return subprocess.run(words, env=self._env(name), capture_output=True, check=False).returncode == 0

    def run_in(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of maskwatch as `docker compose exec NAME maskwatch …` does."""
        command = self._program(name, ["maskwatch", *(self._said(name, word) for word in words)])
        return subprocess.run(
            command,
            env=self._env(name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def _order(self) -> list[str]:
        done: list[str] = []
        while len(done) < len(self.services):
            ready = [
                name
                for name, service in self.services.items()
                if name not in done and all(other in done for other in service.get("depends_on", {}))
            ]
            assert ready, "depends_on goes round in a circle, or names what does not run"
            done += ready
        return done

    def _start(self, name: str) -> None:
        command = [self._said(name, word) for word in self.services[name]["command"]]
        for file, text in self._config_files(name):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self._program(name, command), env=self._env(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _program(self, name: str, command: list[str]) -> list[str]:
        """Put this machine's program in place of the image's entry point."""
        image = self.services[name]["image"]
        if image.startswith("maskwatch:"):
            return [sys.executable, "-m", "maskwatch", *(command[1:] if command[0] == "maskwatch" else command)]
        if "valkey" in image:
            return [require_program("redis-server"), *command[1:], "--bind", self.addresses[name]]
        if "prom/prometheus" in image:
            return [require_program("prometheus"), *command]
        if "prom/alertmanager" in image:
            return [require_program("prometheus-alertmanager"), *command]
        require_program("mosquitto")
        return command

    def _env(self, name: str) -> dict[str, str]:
        own = {key: str(value) for key, value in (self.services[name].get("environment") or {}).items()}
        inside = self._environment | own if self.services[name]["image"].startswith("maskwatch:") else own
        said = {key: self._said(name, value) for key, value in inside.items()}
        return {"PATH": f"{os.environ['PATH']}:/usr/sbin", "OMP_NUM_THREADS": "1"} | said

    def _mounts(self, name: str) -> dict[str, Path]:
        """Return the folder or file that stands in for each path inside the container."""
        service = self.services[name]
        mounts = {}
        for each in service.get("volumes", []):
            kept = self.folder / ("volumes" if each["type"] == "volume" else f"config/{name}")
            place = each["source"] if each["type"] == "volume" else each["target"].strip("/")
            mounts[each["target"]] = kept / place
        for each in service.get("tmpfs", []):
            target = each.partition(":")[0]
            mounts[target] = self.folder / "tmpfs" / name / target.strip("/").replace("/", "-")
        for target, path in mounts.items():
            if not Path(target).suffix:
                path.mkdir(parents=True, exist_ok=True)
        for each in service.get("secrets", []):
            target = each.get("target") or each["source"]
            mounts[str(Path("/run/secrets") / target)] = self.secrets[each["source"]]
        return mounts

    def _config_files(self, name: str) -> list[tuple[Path, str]]:
        """Return what is mounted from the repository, as this service must read it here."""
        files = []
        mounts = self._mounts(name)
        for each in self.services[name].get("volumes", []):
            source = Path(each["source"])
            if each["type"] != "bind" or not source.exists():
                continue
            found = [source] if source.is_file() else [file for file in source.rglob("*") if file.is_file()]
            target = mounts[each["target"]]
            for file in found:
                place = target if source.is_file() else target / file.relative_to(source)
                text = self._said(name, file.read_text())
                if file.name == "mosquitto.conf" and os.getuid() == 0:
                    text += "user root\n"  # else it becomes another user, who may not read what the test's may
                files.append((place, text))
        return files

    def _said(self, name: str, text: str) -> str:
        """Say paths, names of services and addresses inside the container as they are here."""
        mounts = self._mounts(name)
        here = self.addresses[name]
        words = {rf"(?<![\w/.-]){re.escape(path)}(?![\w.-])": str(place) for path, place in mounts.items()}
        words |= {rf"\b{other}(?=:\d)": address for other, address in self.addresses.items()}
        words |= {r"\b0\.0\.0\.0\b": here, r"\b127\.0\.0\.1\b": here}
        pattern = re.compile("|".join(f"({word})" for word in sorted(words, key=len, reverse=True)))
        values = [words[word] for word in sorted(words, key=len, reverse=True)]
        return pattern.sub(lambda match: values[(match.lastindex or 1) - 1], text)


def prepare(folder: Path, cameras: str) -> dict[str, Path]:
    """Copy deploy/ as a fresh clone has it, write its cameras, make its secrets; returns the secrets' files."""
    shutil.copytree(ROOT / "deploy", folder, ignore=shutil.ignore_patterns("secrets", ".env", "cameras.yaml"))
    example = (folder / "settings" / "cameras.example.yaml").read_text()
    head, _, rest = example.partition("cameras:\n")
    (folder / "settings" / "cameras.yaml").write_text(f"{head}cameras:\n{cameras}\n# What{rest.partition('# What')[2]}")
    subprocess.run(["sh", str(folder / "secrets.sh")], check=True, capture_output=True)
    hashed = folder / "secrets" / "page_password_hash"
    hashed.write_text(hash_password((folder / "secrets" / "page_password").read_text()))
    return {file.name: file for file in (folder / "secrets").iterdir() if file.is_file()}
