"""A real Prometheus on a free port, with our rules, scraping every second."""

from __future__ import annotations

import json
import math
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.programs import require_program, wait_until
from tests.promql import PROMETHEUS
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class PrometheusServer:
    """Runs `prometheus` on the configuration that we ship, with another target and a faster beat; a context manager."""

    def __init__(self, folder: Path, target: str) -> None:
        """Write the configuration; `target` is host:port of the metrics."""
        self._program = require_program("prometheus")
        self._folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
        del config["alerting"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, path: str, **asked: str | float) -> Any:
        """Return the `data` of an answer of its HTTP API; an error of the expression is an HTTPError."""
        query = urllib.parse.urlencode(asked)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:  # noqa: S310 - our own
            return json.load(answer)["data"]

    def values(self, expr: str, *, instant: bool = True, last_s: float = 60.0) -> list[float]:
        """Return all numbers that an expression gives, now or over the last seconds."""
        now = time.time()
        if instant:
            result = self.ask("query", query=expr, time=now)["result"]
            found = [each["value"][1] for each in result]
        else:
            result = self.ask("query_range", query=expr, start=now - last_s, end=now, step=1)["result"]
            found = [value for each in result for _, value in each["values"]]
        return [float(value) for value in found if not math.isnan(float(value))]

    def __enter__(self) -> Self:
        """Start, and wait until it answers."""
        command = [self._program, f"--config.file={self._folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self.url[7:]}"]
        with (self._folder / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._is_ready, within_s=60, what="Prometheus")
        return self

    def _is_ready(self) -> bool:
        with suppress(OSError):
            urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).close()  # noqa: S310 - our own
            return True
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
