"""All settings, as one frozen tree. Each field says what it is for, in which unit, and between which bounds.

Its larger parts are files of their own, `settings_camera.py`, `settings_rule.py` and so on.
`maskwatch.settings_file` reads the tree from YAML; `docs/settings.md` and the JSON Schema are generated from it.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from maskwatch.frozen import Frozen
from maskwatch.schedule import time_zone
from maskwatch.secrecy import require_whole
from maskwatch.settings_camera import CameraDefaults, CameraSettings
from maskwatch.settings_dashboard import DashboardSettings
from maskwatch.settings_privacy import PrivacyMode, PrivacySettings
from maskwatch.settings_retention import RetentionSettings
from maskwatch.settings_rule import RuleSettings
from maskwatch.settings_subscriptions import SubscriptionSettings


class BusSettings(Frozen):
    """Where the stages meet."""

    url: str = ""
    """redis://, rediss://, unix:// or redis+sentinel://host:port,…/service; empty for the embedded server.
    Redis 7.0 or newer, or Valkey."""
    frames_url: str = ""
    """A second server for pictures alone, without persistence and with a memory cap of its own; empty to keep them
    beside everything else."""

    @field_validator("url", "frames_url")
    @classmethod
    def _is_whole(cls, value: str) -> str:
        return require_whole(value)

    @model_validator(mode="after")
    def _has_both(self) -> BusSettings:
        if self.frames_url and not self.url:
            raise ValueError("frames_url is the second of two servers; give the first as url")
        return self


class StoreSettings(Frozen):
    """Where events, counts and positions are kept."""

    url: str = ""
    """postgresql://user:password@host/database; empty for SQLite, a file in the data directory."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if not value:
            return value
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in {"postgresql", "postgres"}:
            raise ValueError("write postgresql://user:password@host/database, or leave it out for SQLite")
        if not rest.rpartition("@")[2].partition("?")[0].partition("/")[2]:
            raise ValueError("the address names no database; write postgresql://user:password@host/database")
        if not re.fullmatch(r"(\[.*\]|[^:]*)(:[0-9]+)?", rest.rpartition("@")[2].partition("/")[0]):
            raise ValueError("the address has a port that is no number")
        return require_whole(value)


STILL_FACE_SCORE = 0.4
"""Score from which a find in a photograph counts as a face, of its two best sizes together: at 0.3 the validation
scenes show no further face, and half as many finds again that are nobody's. A camera's is DetectorSettings.face_score,
as on film each false find comes back many times a second."""


class DetectorSettings(Frozen):
    """How faces are found and judged."""

    workers: int = Field(1, ge=1, le=64)
    """Detector processes that `maskwatch up` starts on this machine."""
    provider: Literal["auto", "cpu", "cuda", "tensorrt", "openvino", "coreml"] = "auto"
    """Where the models run. `auto` takes the best that is there; any other is an error where it is not there."""
    threads: int = Field(0, ge=0, le=128)
    """CPU threads of each worker's models; 0 shares the machine's cores among the workers."""
    batch: int = Field(8, ge=1, le=64)
    """Most frames judged together. Each comes from another camera as long as several wait."""
    face_model: str = ""
    """ONNX file of the face detector; empty for the shipped one."""
    mask_model: str = ""
    """ONNX file of the mask classifier; empty for the shipped one."""
    face_width: int = Field(640, ge=160, le=1920, multiple_of=32)
    """Width to which pictures are fitted to find faces: larger finds smaller faces and costs more."""
    face_height: int = Field(384, ge=96, le=1920, multiple_of=32)
    """Height to which pictures are fitted to find faces."""
    face_score: float = Field(0.6, ge=0.1, le=0.99)
    """Score from which a find counts as a face. Lower finds more masked faces, and more that are none."""
    unknown_below: float | None = Field(None, ge=0, le=1)
    """Probability under which a face is `unknown`; empty for the mask model's own threshold."""


class MetricsSettings(Frozen):
    """Where Prometheus scrapes."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 opens it to the network."""
    port: int = Field(9108, ge=0, le=65535)
    """Port; 0 takes a free one and shows it."""


class Settings(Frozen):
    """A whole settings file."""

    cameras: tuple[CameraSettings, ...] = Field((), max_length=1000)
    """The cameras, in the order they are shown."""
    defaults: CameraDefaults = CameraDefaults()
    """What every camera takes that does not say otherwise."""
    bus: BusSettings = BusSettings()
    store: StoreSettings = StoreSettings()
    detector: DetectorSettings = DetectorSettings()
    time_zone: str = "UTC"
    """IANA name of the zone whose clocks schedules and quiet hours are written in, such as Europe/Berlin."""
    rule: RuleSettings = RuleSettings()
    privacy: PrivacySettings = PrivacySettings()
    retention: RetentionSettings = RetentionSettings()
    metrics: MetricsSettings = MetricsSettings()
    dashboard: DashboardSettings = DashboardSettings()
    subscriptions: tuple[SubscriptionSettings, ...] = Field((), max_length=100)
    """Who is told of events."""

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        time_zone(value)
        return value

    @model_validator(mode="after")
    def _distinct(self) -> Settings:
        ids = [camera.id for camera in self.cameras]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if twice:
            raise ValueError(f"camera id given twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _crowds_are_large_enough(self) -> Settings:
        least = self.privacy.least_people
        if self.privacy.mode is not PrivacyMode.STATISTICS:
            return self
        rules = {"rule": self.rule} | {f"the rule of camera {each.id}": each.rule for each in self.cameras if each.rule}
        for name, rule in rules.items():
            if rule.crowd.share < 1 and rule.crowd.people < least:
                raise ValueError(
                    f"crowd.people of {name} is {rule.crowd.people}: with privacy.mode statistics a crowd is at least "
                    f"privacy.least_people, {least}"
                )
        return self

    @property
    def active(self) -> dict[str, CameraSettings]:
        """The cameras that are switched on, by id."""
        return {camera.id: camera for camera in self.cameras if camera.enabled}

    def rule_of(self, camera_id: str) -> RuleSettings:
        """Return the rule by which a camera is judged: its own, or the site's."""
        camera = self.active.get(camera_id)
        return self.rule if camera is None or camera.rule is None else camera.rule
