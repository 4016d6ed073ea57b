"""The two programs of old, on the engine of the service: `image` and `video`."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from detector.pipeline import open_pipeline
from maskwatch.cli.process import refuse_to_overwrite, signals
from maskwatch.clock import SystemClock
from maskwatch.domain import MaskState
from maskwatch.drawing import WORDS, annotate, caption, has_screen, show
from maskwatch.errors import ConfigError
from maskwatch.heartbeat import Stop
from maskwatch.imaging import decode_image, encode_image
from maskwatch.settings import STILL_FACE_SCORE, DetectorSettings
from maskwatch.settings_camera import CameraSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maskwatch.domain import Detection, Image

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}

_face_option = click.option(
    "--face", type=click.Path(dir_okay=False), default="", help="Face detector (ONNX); the shipped one if left out."
)
_model_option = click.option(
    "--model", type=click.Path(dir_okay=False), default="", help="Mask classifier (ONNX); the shipped one if left out."
)


def _confidence_option(default: float) -> Callable[..., Any]:
    return click.option(
        "--confidence",
        type=click.FloatRange(0.1, 0.99),
        default=default,
        show_default=True,
        help="Score from which a find counts as a face.",
    )


_provider_option = click.option(
    "--provider",
    type=click.Choice(["auto", "cpu", "cuda", "tensorrt", "openvino", "coreml"]),
    default="auto",
    show_default=True,
    help="Where the models run.",
)


def _with_models(confidence: float) -> Callable[..., Any]:
    def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
        with_score: Callable[..., Any] = _confidence_option(confidence)(_provider_option(function))
        return _face_option(_model_option(with_score))

    return with_options


@click.command()
@click.option(
    "--image", "source", type=click.Path(path_type=Path), required=True, help="A picture, or a folder of pictures."
)
@_with_models(STILL_FACE_SCORE)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Where to write the annotated picture, or for a folder the folder of them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per picture.")
def image(
    source: Path, face: str, model: str, confidence: float, provider: Any, output: Path | None, as_json: bool
) -> None:
    """Find and judge the faces in pictures, draw them, and say what was seen."""
    files = _pictures(source)
    refuse_to_overwrite("--output", output, [str(source)])
    root = source if source.is_dir() else source.parent
    settings = DetectorSettings(face_model=face, mask_model=model, face_score=confidence, provider=provider)
    pipeline, _, _ = open_pipeline(settings, stills=True)
    broken = 0
    with _progress() as progress:
        for file in progress.track(files, description="pictures"):
            name = file.relative_to(root).as_posix()
            picture = decode_image(file.read_bytes())
            if picture is None:
                broken += 1
                click.echo(f"{file}: is no picture that can be read", err=True)
                if as_json:
                    click.echo(json.dumps({"image": name, "width": 0, "height": 0, "faces": [], "error": "unreadable"}))
                continue
            faces = pipeline.detect([picture])[0]
            click.echo(json.dumps(_line(name, picture, faces)) if as_json else _sentence(name, faces))
            if output is not None:
                _write(output / name if source.is_dir() else output, annotate(picture, faces))
            elif not as_json and not source.is_dir() and has_screen(os.environ):
                show(name, annotate(picture, faces), wait_ms=0)
    sys.exit(1 if broken else 0)


def _pictures(source: Path) -> list[Path]:
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if file.suffix.lower() in PICTURES and file.is_file())
        if not files:
            raise ConfigError(f"{source}: no pictures in it; looked for {', '.join(sorted(PICTURES))}")
        return files
    if not source.is_file():
        raise ConfigError(f"{source}: no such picture or folder")
    return [source]


def _line(name: str, picture: Image, faces: Sequence[Detection]) -> dict[str, Any]:
    return {
        "image": name,
        "width": picture.shape[1],
        "height": picture.shape[0],
        "faces": [
            {
                "box": [round(value, 1) for value in face.box],
                "score": face.face_score,
                "state": face.state.value,
                "probabilities": face.probabilities,
            }
            for face in faces
        ],
    }


def _sentence(name: str, faces: Sequence[Detection]) -> str:
    count = "no face" if not faces else "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    return f"{name}: {count}" + (f": {', '.join(caption(face) for face in faces)}" if faces else "")


def _write(path: Path, picture: Image) -> None:
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name the picture to write")
    if path.suffix.lower() not in PICTURES:
        raise ConfigError(f"{path}: not a picture's name; end it in one of {', '.join(sorted(PICTURES))}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_image(picture, path.suffix.lower()))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from None


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


@click.command()
@click.option("--source", required=True, help="A webcam's number, a video file, or an address (rtsp://, http://).")
@_with_models(0.5)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="MP4 file to write with all boxes drawn."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per picture, and the summary as the last.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Stop after so much of it.")
def video(
    source: str,
    face: str,
    model: str,
    confidence: float,
    provider: Any,
    output: Path | None,
    as_json: bool,
    seconds: float | None,
) -> None:
    """Find and judge the faces in a video, show them in a window where there is a screen, and sum up."""
    from ingest.recording import Recording
    from ingest.sources import make_capture

    camera = _camera(source)
    refuse_to_overwrite("--output", output, [source])
    settings = DetectorSettings(face_model=face, mask_model=model, face_score=confidence, provider=provider)
    pipeline, _, _ = open_pipeline(settings)
    stop, clock = Stop(), SystemClock()
    window = has_screen(os.environ) and output is None and not as_json
    counts: Counter[MaskState] = Counter()
    pictures, begun, at = 0, clock.monotonic(), 0.0
    with signals(stop), ExitStack() as stack:
        capture = stack.enter_context(make_capture(camera, clock))
        recording = stack.enter_context(Recording(output)) if output else None
        progress = stack.enter_context(_progress())
        task = progress.add_task("pictures", total=None)
        first: float | None = None
        for shot in capture:
            if stop.requested or (seconds is not None and at > seconds):
                break
            if shot is None:
                continue
            picture = shot.convert(shot.width, shot.height)
            faces = pipeline.detect([picture])[0]
            pts = clock.monotonic() - begun if shot.pts is None else shot.pts
            first = pts if first is None else first
            at = pts - first
            pictures += 1
            counts.update(each.state for each in faces)
            progress.update(task, advance=1)
            if as_json:
                click.echo(json.dumps(_line(f"{at:.3f}", picture, faces)))
            if recording is not None:
                recording.write(annotate(picture, faces), at)
            if window and not show(camera.safe_source, annotate(picture, faces), wait_ms=1):
                break
    summary = {"pictures": pictures, "seconds": round(at, 2), "took_s": round(clock.monotonic() - begun, 2)}
    summary |= {state.value: counts[state] for state in MaskState}
    if as_json:
        click.echo(json.dumps({"summary": summary}))
    else:
        faces_said = ", ".join(f"{counts[state]} {WORDS[state].lower()}" for state in MaskState)
        click.echo(f"{pictures} pictures ({at:.1f} s) in {summary['took_s']:.1f} s; faces: {faces_said}")
        if output is not None and pictures:
            click.echo(f"written: {output}")


def _camera(source: str) -> CameraSettings:
    """Describe the source as a camera, so that it is opened just as the service would."""
    try:
        return CameraSettings(id="video", source=f"webcam:{source}" if source.isdigit() else source)
    except ValidationError as error:
        raise ConfigError(f"--source: {error.errors()[0]['msg']}") from None
