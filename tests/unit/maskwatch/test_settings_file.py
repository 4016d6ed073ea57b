"""Settings files: every mistake is named with file, line and field, and no secret is ever shown."""

from __future__ import annotations

import contextlib
import os
import random
import string
from typing import TYPE_CHECKING

import pytest
import yaml

from maskwatch.errors import ConfigError
from maskwatch.settings import Settings
from maskwatch.settings_camera import SourceKind
from maskwatch.settings_dump import dump_settings
from maskwatch.settings_file import SettingsWatch, load_settings, parse_settings

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.settings_subscriptions import SubscriptionSettings

MINIMAL = "cameras:\n  - id: door\n    source: rtsp://10.0.0.2/live\n"
DOOR = "cameras:\n  - {id: door, source: /x.mp4"
SECRET = "hunter2 /@:%#"


def mistake(text: str) -> str:
    """Return what is said about a settings text that is wrong."""
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "site.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("- 1\n", "site.yaml:1: must be a mapping with `cameras:`", id="no mapping"),
        pytest.param(
            "cameras: [", "site.yaml:1: is not YAML: expected the node content, but found '<stream end>'", id="cut off"
        ),
        pytest.param("a: 1\n---\nb: 2\n", "site.yaml:2: is not YAML: but found another document", id="two documents"),
        pytest.param("a: \0", "site.yaml: is not YAML", id="binary"),
        pytest.param(
            "detektor: {}\n", "site.yaml:1: detektor: unknown field; did you mean `detector`?", id="misspelt section"
        ),
        pytest.param(
            "xyzzy: {}\n",
            "site.yaml:1: xyzzy: unknown field; known are " + ", ".join(sorted(Settings.model_fields)),
            id="unknown section",
        ),
        pytest.param(
            "cameras:\n  - id: door\n    sorce: x\n",
            "site.yaml:2: cameras[0].source: is missing\n"
            "site.yaml:3: cameras[0].sorce: unknown field; did you mean `source`?",
            id="misspelt field",
        ),
        pytest.param(
            "defaults:\n  analysis:\n    widht: 1\n",
            "site.yaml:3: defaults.analysis.widht: unknown field; did you mean `width`?",
            id="misspelt nested field",
        ),
        pytest.param(MINIMAL + "    fps: 99\n", "site.yaml:4: cameras[0].fps: must be at most 60 (is 99)", id="large"),
        pytest.param(
            MINIMAL + "    fps: often\n", "site.yaml:4: cameras[0].fps: must be a number (is 'often')", id="words"
        ),
        pytest.param(
            "defaults:\n  fps: 0\n" + MINIMAL + "  - {id: gate, source: /x}\n",
            "site.yaml:2: defaults.fps: must be more than 0 (is 0)",
            id="a mistake in defaults is said once, where it stands",
        ),
        pytest.param(
            "defaults:\n  backoff: {first_s: 0}\n" + MINIMAL + "    backoff: {longest_s: 9}\n",
            "site.yaml:2: defaults.backoff.first_s: must be at least 0.05 (is 0)",
            id="a mistake inherited beside an own field",
        ),
        pytest.param(
            DOOR + ", transport: tpc}\n",
            "site.yaml:2: cameras[0].transport: 'tpc' is not known; did you mean `tcp`?",
            id="misspelt choice",
        ),
        pytest.param(
            "detector: {provider: gpu9}\n",
            "site.yaml:1: detector.provider: 'gpu9' is not known; "
            "known are auto, cpu, cuda, tensorrt, openvino, coreml",
            id="unknown choice",
        ),
        pytest.param(
            DOOR + "}\n  - {id: door, source: /y.mp4}\n",
            "site.yaml:3: cameras[1].id: is the id of cameras[0] already",
            id="camera twice",
        ),
        pytest.param(DOOR + ", id: gate}\n", "site.yaml:2: cameras[0].id: stands here twice", id="field twice"),
        pytest.param(
            "cameras:\n  - {id: Door!, source: /x.mp4}\n",
            "site.yaml:2: cameras[0].id: write lower-case letters, digits, '-', '_' or '.', "
            "beginning with a letter or digit (is 'Door!')",
            id="camera id",
        ),
        pytest.param(
            "cameras:\n  - {id: 5, source: /x.mp4}\n",
            "site.yaml:2: cameras[0].id: must be text; put it in quotes (is 5)",
            id="camera id is a number",
        ),
        pytest.param("cameras: 3\n", "site.yaml:1: cameras: must be a list (is 3)", id="no list"),
        pytest.param("cameras: [3]\n", "site.yaml:1: cameras[0]: must be a mapping (is 3)", id="camera no mapping"),
        pytest.param(
            "cameras:\n  - {id: a, source: 'ftp://h/x'}\n",
            "site.yaml:2: cameras[0].source: unknown scheme 'ftp'; "
            "known are rtsp, rtsps, http, https, or a file's path",
            id="scheme",
        ),
        pytest.param(
            "cameras:\n  - {id: a, source: 'rtsp://u:hunter2@'}\n",
            "site.yaml:2: cameras[0].source: the address has no host",
            id="no host",
        ),
        pytest.param(
            "cameras:\n  - {id: a, source: webcam:x}\n",
            "site.yaml:2: cameras[0].source: write webcam: and the number of the device, such as webcam:0",
            id="webcam",
        ),
        *(
            pytest.param(
                f"cameras:\n  - {{id: a, source: '{source}'}}\n",
                "site.yaml:2: cameras[0].source: write scripted: and scenes with their seconds, such as "
                "scripted:moving*5,black; known are moving, still, frozen, black, white, grey, flaky, refused, hang, "
                "crash, or a picture's path (.jpg, .png)",
                id=source,
            )
            for source in ("scripted:moving*abc", "scripted:moving*5,blak", "scripted:moving*-1", "scripted:")
        ),
        pytest.param(
            "rule:\n  open_confidence: 0.5\n  close_confidence: 0.5\n",
            "site.yaml:1: rule: close_confidence must be below open_confidence",
            id="thresholds in the wrong order",
        ),
        pytest.param(
            DOOR + ", zones: [{name: z, polygon: [[0, 0], [0, 2], [1, 1]]}]}\n",
            "site.yaml:2: cameras[0].zones[0].polygon[1][1]: must be at most 1 (is 2)",
            id="corner outside",
        ),
        pytest.param(
            DOOR + ", zones: [{name: z, polygon: [[0, 0], [1, 1]]}]}\n",
            "site.yaml:2: cameras[0].zones[0].polygon: must have at least 3 items",
            id="two corners",
        ),
        pytest.param(
            DOOR + ", zones: [{name: z, polygon: [[0, 0], [0.1, 0.1], [0.3, 0.3]]}]}\n",
            "site.yaml:2: cameras[0].zones[0].polygon: all corners lie on one line: nothing is inside",
            id="a zone without inside",
        ),
        pytest.param(
            DOOR + ", privacy_masks: [[[0, 0], [0, 0.5], [0, 1]]]}\n",
            "site.yaml:2: cameras[0].privacy_masks: all corners lie on one line: nothing is inside",
            id="a privacy mask that hides nothing",
        ),
        pytest.param(
            DOOR + ", zones: [{name: z, mode: excluded, polygon: [[0, 0], [0, 1], [1, 1]]}]}\n",
            "site.yaml:2: cameras[0].zones[0].mode: 'excluded' is not known; known are count, ignore",
            id="unknown mode of a zone",
        ),
        pytest.param(
            "detector: {workers: 1.5, face_width: 630}\n",
            "site.yaml:1: detector.workers: must be a whole number (is 1.5)\n"
            "site.yaml:1: detector.face_width: must be a multiple of 32 (is 630)",
            id="several mistakes, in the order of the fields",
        ),
        pytest.param(
            "a: 2020-99-99\n",
            "site.yaml:1: a: is no value that can be used here; put it in quotes if it is text",
            id="a date that is none",
        ),
        pytest.param(
            "a: !!python/name:os.system x\n",
            "site.yaml:1: a: is no value that can be used here; put it in quotes if it is text",
            id="a tag that would run code",
        ),
        pytest.param("cameras: &a [*a]\n", "site.yaml:1: cameras[0]: contains itself", id="endless"),
        pytest.param("? [a]\n: b\n", "site.yaml:1: the file: the name of a field must be plain text", id="odd name"),
        pytest.param("<<: 3\n", "site.yaml:1: the file: <<: takes the anchor of a mapping, such as *door", id="merge"),
        pytest.param(
            "cameras:\n  - {id: a, source: 'rtsp://u:${CAMERA_PASWORD}@h/1'}\n",
            "site.yaml:2: cameras[0].source: the environment variable CAMERA_PASWORD is not set. "
            "Did you mean CAMERA_PASSWORD? Set it, or write ${CAMERA_PASWORD:-fallback}",
            id="unset variable",
        ),
        pytest.param(
            "cameras:\n  - {id: a, source: 'file:/nowhere/secret'}\n",
            "site.yaml:2: cameras[0].source: the secret's file /nowhere/secret cannot be read: "
            "No such file or directory",
            id="absent secret file",
        ),
    ],
)
def test_mistake(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is answered with file, line, field and what to write instead."""
    monkeypatch.setenv("CAMERA_PASSWORD", "x")
    assert mistake(text) == said


def test_all_mistakes_are_named_at_once() -> None:
    """What is wrong in the text, in a field and between fields is told together, and nothing that only follows."""
    text = """defaults:
  fps: "${NOT_SET_FPS}"
cameras:
  - {id: door, source: 'rtsp://u:${NOT_SET}@10.0.0.2/1'}
  - {id: door, source: /x.mp4, transport: tpc}
  - {id: hall, source: /y.mp4, transport: tcp, transport: udp}
subscriptions:
  - {name: desk, to: 'https://desk.example/', secret: '${NOT_SET_SECRET}'}
  - {name: guard, to: 'https://guard.example/', secret: short}
  - {name: guard, to: 'mqtt://broker.example/x', cameras: [gate]}
  - {name: radio, to: 'mqtt://broker.example/x', cooldown: 2}
  - {name: siren, to: 'mqtt://broker.example/y'}
detector: {threads: many}
"""
    found: list[str] = []

    def examine(each: SubscriptionSettings) -> list[tuple[tuple[str | int, ...], str]]:
        found.append(each.name)
        return [(("to",), "does not answer")]

    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "site.yaml", examine)
    begins = [
        "site.yaml:2: defaults.fps: the environment variable NOT_SET_FPS is not set.",
        "site.yaml:4: cameras[0].source: the environment variable NOT_SET is not set.",
        "site.yaml:5: cameras[1].id: is the id of cameras[0] already",
        "site.yaml:5: cameras[1].transport: 'tpc' is not known;",
        "site.yaml:6: cameras[2].transport: stands here twice",
        "site.yaml:8: subscriptions[0].secret: the environment variable NOT_SET_SECRET is not set.",
        "site.yaml:9: subscriptions[1].secret: must have at least 16 characters;",
        "site.yaml:10: subscriptions[2].name: is the name of subscriptions[1] already",
        "site.yaml:10: subscriptions[2].cameras[0]: 'gate' is no camera;",
        "site.yaml:11: subscriptions[3].cooldown: ",
        "site.yaml:12: subscriptions[4].to: does not answer",
        "site.yaml:13: detector.threads: must be a whole number",
    ]
    said = str(caught.value).splitlines()
    assert [line[: len(begin)] for line, begin in zip(said, begins, strict=True)] == begins
    assert found == ["siren"]


def test_empty_file() -> None:
    """An empty file is a site without cameras."""
    assert parse_settings("") == Settings()
    assert parse_settings("# nothing yet\n") == Settings()


@pytest.mark.parametrize(
    ("source", "got"),
    [
        pytest.param("rtsp://u:${PW}@h/1", "rtsp://u:hunter2%20%2F%40%3A%25%23@h/1", id="encoded in an address"),
        pytest.param("${WHOLE}", "rtsp://u:p@h/1", id="a whole address as it is"),
        pytest.param("rtsp://${USER_NAME:-admin}:${NONE:-a b}@h/1", "rtsp://admin:a%20b@h/1", id="fallbacks"),
        pytest.param("rtsp://u:${file:SECRET_FILE}@h/1", "rtsp://u:from%2Ffile@h/1", id="file inside an address"),
        pytest.param(
            "rtsp://u:${file:/nowhere/secret:-spare}@h/1",
            "rtsp://u:spare@h/1",
            id="file that is missing, with a fallback",
        ),
        pytest.param("file:WHOLE_FILE", "rtsp://u:p@h/2", id="file as a whole"),
        pytest.param("rtsp://h/${PLAIN}", "rtsp://h/plain", id="no encoding behind the host"),
        pytest.param("file:///clips/a.mp4", "", id="file:// is no secret"),
    ],
)
def test_values_from_outside(source: str, got: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables and files are filled in, and encoded where an address would otherwise be torn."""
    for name, value in (("PW", SECRET), ("WHOLE", "rtsp://u:p@h/1"), ("PLAIN", "plain")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("USER_NAME", raising=False)
    monkeypatch.delenv("NONE", raising=False)
    (tmp_path / "secret").write_text("from/file\n")
    (tmp_path / "whole").write_text("rtsp://u:p@h/2\n")
    source = source.replace("SECRET_FILE", str(tmp_path / "secret")).replace("WHOLE_FILE", str(tmp_path / "whole"))
    text = f"cameras:\n  - id: a\n    source: {source!r}\n"
    if got:
        assert parse_settings(text).cameras[0].source == got
    else:
        assert mistake(text).endswith("unknown scheme 'file'; known are rtsp, rtsps, http, https, or a file's path")


def test_secret_file_that_is_no_text(tmp_path: Path) -> None:
    """A secret's file with anything but text is named, and its content is not."""
    (tmp_path / "secret").write_bytes(b"\xff\xfe hunter2")
    said = mistake(f"bus: {{url: 'file:{tmp_path}/secret'}}\n")
    assert said == f"site.yaml:1: bus.url: the secret's file {tmp_path}/secret cannot be read: is not text"


def test_defaults_reach_cameras() -> None:
    """A camera takes from defaults what it does not say, field by field, also inside groups."""
    settings = parse_settings(
        "defaults: {fps: 2, backoff: {first_s: 1, longest_s: 9}}\n"
        "cameras:\n  - {id: a, source: /a}\n  - {id: b, source: /b, fps: 7, backoff: {first_s: 3}}\n"
    )
    first, second = settings.cameras
    assert (first.fps, first.backoff.first_s, first.backoff.longest_s) == (2, 1, 9)
    assert (second.fps, second.backoff.first_s, second.backoff.longest_s) == (7, 3, 9)


def test_anchors_and_merges() -> None:
    """YAML's own way of repeating a mapping works, and the own field wins."""
    settings = parse_settings("cameras:\n  - &door {id: a, source: /a, fps: 3}\n  - {<<: *door, id: b}\n")
    assert [(camera.id, camera.fps) for camera in settings.cameras] == [("a", 3), ("b", 3)]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        pytest.param("RTSP://h/1", SourceKind.RTSP, id="rtsp"),
        pytest.param("rtsps://h/1", SourceKind.RTSP, id="rtsps"),
        pytest.param("https://h/1", SourceKind.HTTP, id="https"),
        pytest.param("webcam:0", SourceKind.WEBCAM, id="webcam"),
        pytest.param("/dev/video2", SourceKind.WEBCAM, id="device"),
        pytest.param("clips/a.mp4", SourceKind.FILE, id="file"),
    ],
)
def test_kinds_of_source(source: str, kind: SourceKind) -> None:
    """What a source is follows from how it is written."""
    assert parse_settings(f"cameras: [{{id: a, source: '{source}'}}]").cameras[0].kind is kind


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DOOR + ", sorce: 'SECRET'}", id="misspelt field"),
        pytest.param("cameras: ['rtsp://u:SECRET@h/1']", id="camera is an address"),
        pytest.param("bus: 'redis://:SECRET@h/0'", id="bus is an address"),
        pytest.param("bus: {url: ['SECRET']}", id="list for an address"),
        pytest.param("cameras: [{id: a, source: {rtsp: 'SECRET'}}]", id="mapping for a source"),
        pytest.param("cameras: [{id: a, source: 'ftp://u:SECRET@h/1'}]", id="unknown scheme"),
        pytest.param("metrics: {port: '${PW}'}", id="variable in a number"),
        pytest.param("detector: {provider: '${PW}'}", id="variable in a choice"),
        pytest.param("cameras: [{id: 'X ${PW}', source: /x}]", id="variable in an id"),
        pytest.param("rule: '${PW}'", id="variable for a section"),
        pytest.param("a: *SECRET", id="alias"),
        pytest.param("cameras: [{id: a, source: 'rtsp://u:SECRET@h', source: 'rtsp://u:SECRET@h'}]", id="twice"),
    ],
)
def test_no_secret_in_errors(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong, a password is not repeated."""
    monkeypatch.setenv("PW", "hunter2hunter2")
    assert "hunter2" not in mistake(text.replace("SECRET", "hunter2hunter2"))


def test_dump_hides_and_reads_back() -> None:
    """What is printed of settings has no credentials, is YAML, and is accepted again."""
    settings = parse_settings(
        "cameras: [{id: a, source: 'rtsp://u:hunter2@h/1?token=hunter2'}]\nbus: {url: 'redis://:hunter2@h:1/0'}\n"
    )
    text = dump_settings(settings)
    assert "hunter2" not in text
    again = parse_settings(text)
    assert again.cameras[0].source == "rtsp://***@h/1?token=***"
    assert again.rule == settings.rule
    assert yaml.safe_load(text)["bus"]["url"] == "redis://***@h:1/0"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is absent or no text is named with the reason."""
    with pytest.raises(ConfigError, match=r"nothing\.yaml: cannot be read: No such file"):
        load_settings(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4")
    with pytest.raises(ConfigError, match=r"latin\.yaml: is not UTF-8 text"):
        load_settings(tmp_path / "latin.yaml")


def test_random_text_never_ends_in_a_traceback() -> None:
    """Whatever stands in the file, the answer is settings or a ConfigError."""
    dice = random.Random(20261122)
    pieces = [
        *"[]{}:-?&*!|>'\"%@`#,\n \t",
        "cameras",
        "id",
        "source",
        "- ",
        ": ",
        "\n  ",
        "<<",
        "~",
        "1e9",
        "-.inf",
        "0x",
    ]
    pieces += ["2020-01-01", "${", "}", "file:", "${file:/}", "!!int", "!!set", "&a ", "*a", "\u2028", string.digits]
    for _ in range(3000):
        text = "".join(dice.choice(pieces) for _ in range(dice.randint(1, 25)))
        with contextlib.suppress(ConfigError):
            parse_settings(text)


def write(path: Path, text: str) -> None:
    """Replace a file as careful editors do, with another modification time."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


def test_watch(tmp_path: Path) -> None:
    """A watch gives new settings once after a change, says a broken edit once, and keeps the old ones meanwhile."""
    path = tmp_path / "site.yaml"
    write(path, MINIMAL)
    watch = SettingsWatch(path)
    assert watch.poll() is None
    write(path, MINIMAL + "    fps: 3\n")
    changed = watch.poll()
    assert changed is not None
    assert changed.cameras[0].fps == 3
    assert watch.poll() is None
    write(path, MINIMAL + "    fps: 333\n")
    with pytest.raises(ConfigError, match="fps"):
        watch.poll()
    assert watch.poll() is None
    assert watch.current == changed
    write(path, MINIMAL + "    fps: 3 # the same\n")
    assert watch.poll() is None


def test_watch_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to look (SIGHUP), a watch reads again although the file did not change: a secret outside of it may have."""
    path = tmp_path / "site.yaml"
    monkeypatch.setenv("PW", "one")
    write(path, "cameras: [{id: a, source: 'rtsp://u:${PW}@h/1'}]\n")
    watch = SettingsWatch(path)
    os.environ["PW"] = "two"
    assert watch.poll() is None
    watch.ask()
    changed = watch.poll()
    assert changed is not None
    assert changed.cameras[0].source == "rtsp://u:two@h/1"
    assert watch.poll() is None


def test_watch_of_a_file_that_vanishes(tmp_path: Path) -> None:
    """A settings file that is taken away is said once, and read again when it returns."""
    path = tmp_path / "site.yaml"
    write(path, MINIMAL)
    watch = SettingsWatch(path)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        watch.poll()
    assert watch.poll() is None
    write(path, MINIMAL + "    fps: 9\n")
    assert watch.poll() is not None


def test_watch_of_a_file_that_is_written_in_place(tmp_path: Path) -> None:
    """What an editor has emptied and not written yet is no edit: no camera is taken away."""
    path = tmp_path / "site.yaml"
    write(path, MINIMAL)
    watch = SettingsWatch(path)
    path.write_text("")
    assert watch.poll() is None
    path.write_text(MINIMAL + "    fps: 9\n")
    changed = watch.poll()
    assert changed is not None
    assert changed.cameras[0].fps == 9


def test_watch_of_a_file_that_is_edited_while_it_is_read(tmp_path: Path) -> None:
    """An edit between reading and watching is noticed at the first look."""
    path = tmp_path / "site.yaml"
    told = "subscriptions:\n  - {name: desk, to: mqtt://broker.example/x}\n"
    write(path, MINIMAL + told)

    def edit(_: SubscriptionSettings) -> list[tuple[tuple[str | int, ...], str]]:
        if "fps" not in path.read_text():
            write(path, MINIMAL + "    fps: 9\n" + told)
        return []

    changed = SettingsWatch(path, edit).poll()
    assert changed is not None
    assert changed.cameras[0].fps == 9
