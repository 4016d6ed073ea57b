"""Where `maskwatch replay` takes its records from: recordings, films judged on the spot, the bus of a running stack."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from maskwatch.bus import BEGINNING
from maskwatch.cli.process import bus_address
from maskwatch.contracts import CAMERAS_TABLE, log_stream, record_from_fields
from maskwatch.errors import BadMessage, BusUnavailable, ConfigError, SourceLost
from maskwatch.recording import read_recording
from maskwatch.schedule import time_zone
from maskwatch.settings_camera import CAMERA_ID, CameraSettings, Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskwatch.cli.judging import FilmJudge
    from maskwatch.contracts import LogRecord
    from maskwatch.settings import Settings

BUS = "bus"
RECORDING = ".jsonl"
START = datetime(2000, 1, 1)  # noqa: DTZ001  by the clocks of the site: times then read as places in the film
PAGE = 1000


class Sources:
    """Opens what `--from` names."""

    def __init__(self, settings: Settings, data_dir: Path, camera: str | None, start: datetime | None) -> None:
        """Films are judged by these settings, as the given camera, from this time of the site's clocks on."""
        self._settings = settings
        self._data_dir = data_dir
        self._camera = camera
        self._started_at = (start or START).replace(tzinfo=time_zone(settings.time_zone)).timestamp()
        self._judge: FilmJudge | None = None

    def is_film(self, source: str) -> bool:
        """Whether a source has to be judged first."""
        return source != BUS and not source.endswith(RECORDING)

    def records(self, source: str) -> Iterator[LogRecord]:
        """Yield the records of one source; raises ConfigError where it cannot be read."""
        if self.is_film(source):
            return self._film(Path(source))
        found = self._bus() if source == BUS else read_recording(Path(source))
        return (each for each in found if self._camera in {None, each.camera_id})

    def _film(self, path: Path) -> Iterator[LogRecord]:
        if not path.is_file():
            raise ConfigError(f"--from {path}: no such file; write `{BUS}`, a recording (*{RECORDING}) or a film")
        if self._judge is None:
            from maskwatch.cli.judging import FilmJudge

            self._judge = FilmJudge(self._settings.detector)
        try:
            with Console(stderr=True).status(f"judging {path.name}") as status:
                for number, each in enumerate(self._judge.observe(self._camera_of(path), self._started_at), start=1):
                    status.update(f"judging {path.name}: {number} pictures")
                    yield each
        except SourceLost as error:
            raise ConfigError(f"--from {path}: is no film that can be read: {error}") from None

    def _camera_of(self, path: Path) -> CameraSettings:
        """Return the settings under which a film is judged: its camera's, or the defaults."""
        change = {"source": str(path), "pace": Pace.FAST, "loop": False}
        known = self._settings.active.get(self._camera or "")
        if known is not None:
            return known.model_copy(update=change)
        name = self._camera or re.sub(r"[^a-z0-9_.-]+", "-", path.stem.lower()).strip("-_.")[:63] or "film"
        if not CAMERA_ID.fullmatch(name):
            raise ConfigError(
                f"--camera {name}: is no camera's name; write lower-case letters, digits, '-', '_' or '.'"
            )
        return CameraSettings(**self._settings.defaults.model_dump() | change | {"id": name})

    def _bus(self) -> Iterator[LogRecord]:
        from maskwatch.bus_routed import open_bus

        bus = open_bus(bus_address(self._settings, self._data_dir))
        try:
            for camera in sorted(bus.table(CAMERAS_TABLE)):
                position, read = BEGINNING, PAGE
                while read == PAGE:
                    entries = bus.read_after({log_stream(camera): position}, count=PAGE, block_s=0)
                    read, position = len(entries), entries[-1].id if entries else position
                    for entry in entries:
                        try:
                            yield record_from_fields(entry.fields)
                        except BadMessage:
                            continue  # the service passes over it as well
        except BusUnavailable as error:
            raise ConfigError(f"the bus does not answer ({error}); is the stack running?") from None
        finally:
            bus.close()
