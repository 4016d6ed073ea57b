"""Judges a film as the service would, without bus and without waiting: the same pictures, size, JPEG and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detector.pipeline import open_pipeline
from detector.worker import scaled
from ingest.capture import fit_within
from ingest.privacy import PrivacyMasks
from ingest.sources import make_capture
from ingest.timing import FrameSelector, MediaTimes
from maskwatch.clock import SystemClock
from maskwatch.domain import FrameId, Observation
from maskwatch.imaging import decode_image, encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detector.pipeline import MaskPipeline
    from maskwatch.domain import Image
    from maskwatch.settings import DetectorSettings
    from maskwatch.settings_camera import CameraSettings


class FilmJudge:
    """Turns films into the observations that the service would make of them."""

    def __init__(self, settings: DetectorSettings) -> None:
        """Open the models; raises ModelMismatch or Unsupported as the detector does."""
        self._pipeline: MaskPipeline
        self._pipeline, faces, masks = open_pipeline(settings)
        self.models = (faces.contract.name, masks.contract.name)

    def observe(self, camera: CameraSettings, started_at: float) -> Iterator[Observation]:
        """Yield the observations of a film, in order.

        Args:
            camera: its source is the film; pictures a second, size, privacy masks and smallest face are its own.
                Its motion gate is left out: every chosen picture is judged.
            started_at: wall-clock time of the first picture.

        Raises SourceLost where the film cannot be read.
        """
        run, seq = int(started_at * 1000), 0
        selector, times, masks = FrameSelector(camera.fps), MediaTimes(started_at), PrivacyMasks(camera.privacy_masks)
        with make_capture(camera, SystemClock()) as capture:
            for shot in capture:
                if shot is None or shot.pts is None:
                    continue
                at = times.place(shot.pts, started_at).captured_at
                if not selector.wants(shot.pts):
                    continue
                seq += 1
                size = fit_within(shot.width, shot.height, camera.analysis.width, camera.analysis.height)
                picture = _as_sent(masks.black_out(shot.convert(*size)), camera.analysis.jpeg_quality)
                scale = shot.width / size[0]
                found = self._pipeline.detect([picture], [camera.min_face_px / scale])[0]
                yield Observation(
                    camera_id=camera.id,
                    frame=FrameId(run, seq),
                    captured_at=at,
                    width=shot.width,
                    height=shot.height,
                    detections=tuple(scaled(each, scale) for each in found),
                    live=False,
                    batch_size=1,
                    models=self.models,
                )


def _as_sent(picture: Image, quality: int) -> Image:
    """Compress and decompress a picture as the bus would have it: what JPEG takes away is part of the judgement."""
    sent = decode_image(encode_jpeg(picture, quality))
    return picture if sent is None else sent
