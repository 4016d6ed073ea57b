"""A network camera: GStreamer's RTSP server playing encoded clips in an endless loop, with faults by command.

Runs in the system's own python3, which has the bindings (`gi`); `tests.fakes.rtsp` starts it. Its one argument is JSON:

    {"mounts": {"camera": {"codec": "h264", "fps": 25, "tracks": {"normal": "a.mp4", "repeat": "b.mp4"}}},
     "user": "admin", "password": "…", "auth": "digest", "shared": true}

It prints its port, then obeys lines on standard input: `freeze` (keep connections, send nothing), `resume`,
`track NAME` (play another clip of the mount), `corrupt`, `mend`, `kick` (close all connections), `refuse` (stop
accepting), `quit`. It ends when its standard input does.
"""

import json
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401 - GstApp gives appsink its methods

ROLE = "viewer"


def read_clip(path: str, codec: str) -> list[tuple[bytes, bool]]:
    """Return the access units of a clip, and which are key frames."""
    caps = f"video/x-{codec},stream-format=byte-stream,alignment=au"
    text = f'filesrc location="{path}" ! qtdemux ! {codec}parse config-interval=-1 ! {caps} ! appsink name=out sync=false'
    pipeline = Gst.parse_launch(text)
    pipeline.set_state(Gst.State.PLAYING)
    out = pipeline.get_by_name("out")
    units = []
    while (sample := out.pull_sample()) is not None:
        buffer = sample.get_buffer()
        units.append((buffer.extract_dup(0, buffer.get_size()), not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)))
    pipeline.set_state(Gst.State.NULL)
    return units


class Faults:
    """What is wrong with the camera just now."""

    def __init__(self) -> None:
        """Begin in good health."""
        self.frozen = False
        self.corrupt = False
        self.track = "normal"


class Player:
    """Pushes one mount's access units to one media, at its frame rate, with right timestamps."""

    def __init__(self, source: Any, tracks: dict[str, list[tuple[bytes, bool]]], fps: float, faults: Faults) -> None:
        """Begin to push as soon as the main loop turns."""
        self._source, self._tracks, self._fps, self._faults = source, tracks, fps, faults
        self._name, self._index, self._sent = "", 0, 0
        self._begun: int | None = None
        self._timer = GLib.timeout_add(max(1, int(1000 / fps / 4)), self._tick)

    def stop(self, *_: Any) -> None:
        """Push nothing more."""
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0

    def _tick(self) -> bool:
        clock = self._source.get_clock()
        if clock is None:
            return True
        now = clock.get_time() - self._source.get_base_time()
        if self._begun is None:
            self._begun = now
        while self._begun + self._sent * Gst.SECOND / self._fps <= now:
            self._push()
            self._sent += 1
        return True

    def _push(self) -> None:
        if self._faults.frozen:
            return
        wanted = self._faults.track if self._faults.track in self._tracks else "normal"
        if wanted != self._name and self._tracks[wanted][0][1]:
            self._name, self._index = wanted, 0
        units = self._tracks[self._name]
        data, _ = units[self._index % len(units)]
        self._index += 1
        if self._faults.corrupt and len(data) > 64:
            data = data[:40] + bytes(byte ^ 0x5A for byte in data[40:])
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = buffer.dts = int(self._begun + self._sent * Gst.SECOND / self._fps)
        buffer.duration = int(Gst.SECOND / self._fps)
        self._source.emit("push-buffer", buffer)


class Camera:
    """The server with its mounts."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Read the clips and listen on a free port of this machine."""
        self.faults = Faults()
        self.players: list[Player] = []
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service("0")
        if settings.get("auth"):
            self._protect(settings)
        for name, mount in settings["mounts"].items():
            tracks = {track: read_clip(path, mount["codec"]) for track, path in mount["tracks"].items()}
            self._mount(name, mount["codec"], tracks, mount["fps"], settings)
        self.source = self.server.attach(None)

    def obey(self, line: str) -> bool:
        """Carry out one command; returns False to quit."""
        word, _, rest = line.strip().partition(" ")
        if word in {"freeze", "resume"}:
            self.faults.frozen = word == "freeze"
        elif word in {"corrupt", "mend"}:
            self.faults.corrupt = word == "corrupt"
        elif word == "track":
            self.faults.track = rest
        elif word in {"kick", "refuse"}:
            self.server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
            if word == "refuse":
                GLib.source_remove(self.source)
        return word != "quit"

    def _mount(self, name: str, codec: str, tracks: Any, fps: float, settings: dict[str, Any]) -> None:
        factory = GstRtspServer.RTSPMediaFactory()
        caps = f"video/x-{codec},stream-format=byte-stream,alignment=au,framerate={int(fps)}/1"
        factory.set_launch(
            f"( appsrc name=src is-live=true format=time max-bytes=0 caps={caps} ! {codec}parse ! "
            f"rtp{codec}pay name=pay0 pt=96 config-interval=-1 )"
        )
        factory.set_shared(bool(settings.get("shared")))
        factory.connect("media-configure", self._configure, tracks, fps)
        if settings.get("auth"):
            permissions = GstRtspServer.RTSPPermissions.new()
            permissions.add_permission_for_role(ROLE, "media.factory.access", True)
            permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
            factory.set_permissions(permissions)
        self.server.get_mount_points().add_factory(f"/{name}", factory)

    def _configure(self, _factory: Any, media: Any, tracks: Any, fps: float) -> None:
        player = Player(media.get_element().get_by_name("src"), tracks, fps, self.faults)
        self.players.append(player)
        media.connect("unprepared", player.stop)

    def _protect(self, settings: dict[str, Any]) -> None:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken.new()
        token.set_string("media.factory.role", ROLE)
        if settings["auth"] == "digest":
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(settings["user"], settings["password"], token)
        else:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(settings["user"], settings["password"]), token)
        self.server.set_auth(auth)


def main() -> None:
    """Serve until told to quit."""
    Gst.init(None)
    camera = Camera(json.loads(sys.argv[1]))
    loop = GLib.MainLoop()

    def on_line(channel: Any, condition: Any) -> bool:
        line = sys.stdin.readline()
        if not line or not camera.obey(line):
            loop.quit()
            return False
        return True

    GLib.io_add_watch(GLib.IOChannel.unix_new(0), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, on_line)
    sys.stdout.write(f"{camera.server.get_bound_port()}\n")
    sys.stdout.flush()
    loop.run()


main()
