"""A fake RTSP camera: a program of its own for the system's Python, which alone has GStreamer's bindings.

    /usr/bin/python3 rtsp_camera.py '{"mounts": {"cam": {"codec": "h264", "fps": 25, "loops": {"play": PATH, …}}}}'

Plays access units that were encoded once (files of 4-byte lengths and H.264 or H.265 in Annex B), endlessly and with
timestamps of its own. Says "ready PORT", then obeys lines `COMMAND [MOUNT]` on standard input: the name of a loop
plays that one; freeze sends nothing but keeps connections; resume; corrupt spoils the data; kick ends all
connections; quit. Launched by tests/fakes/rtsp.py.
"""

import json
import pathlib
import struct
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - only after the versions were asked for

PAYLOADERS = {"h264": ("video/x-h264", "h264parse ! rtph264pay"), "h265": ("video/x-h265", "h265parse ! rtph265pay")}


def read_units(path):
    """Return the access units of a file."""
    data, units, position = pathlib.Path(path).read_bytes(), [], 0
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        units.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return units


class Mount:
    """One address of the server, with its loops and its fault."""

    def __init__(self, config):
        """Read the loops, and describe the pipeline."""
        self.fps = config["fps"]
        self.loops = {name: read_units(path) for name, path in config["loops"].items()}
        self.units, self.position, self.fault = self.loops["play"], 0, "resume"
        self.feeds = []
        caps, payload = PAYLOADERS[config["codec"]]
        self.factory = GstRtspServer.RTSPMediaFactory()
        self.factory.set_launch(
            f"( appsrc name=source is-live=true format=time caps={caps},stream-format=byte-stream,alignment=au"
            f" ! {payload} name=pay0 pt=96 )"
        )
        self.factory.set_shared(True)
        self.factory.connect("media-configure", self.begin)

    def begin(self, _factory, media):
        """Feed a new pipeline from the start of the loop: it begins with a keyframe."""
        feed = {"source": media.get_element().get_child_by_name("source"), "began": time.monotonic(), "sent": 0}
        self.position = 0
        self.feeds.append(feed)
        media.connect("unprepared", lambda _media: self.feeds.remove(feed))

    def tick(self):
        """Send what is due."""
        for feed in self.feeds:
            due = int((time.monotonic() - feed["began"]) * self.fps) + 1
            while feed["sent"] < due:
                self.send(feed)
                feed["sent"] += 1

    def send(self, feed):
        """Send one access unit, or let its time pass."""
        if self.fault == "freeze":
            return
        unit = self.units[self.position]
        self.position = (self.position + 1) % len(self.units)
        if self.fault == "corrupt":
            unit = unit[:5] + bytes(byte ^ 0x55 for byte in unit[5:])
        buffer = Gst.Buffer.new_wrapped(unit)
        buffer.pts = buffer.dts = int(feed["sent"] * Gst.SECOND / self.fps)
        buffer.duration = int(Gst.SECOND / self.fps)
        feed["source"].emit("push-buffer", buffer)

    def obey(self, command):
        """Change what is sent."""
        if command in self.loops:
            self.units, self.position, self.fault = self.loops[command], 0, "resume"
        else:
            self.fault = command


def protect(server, mounts, user, password, digest):
    """Ask for a password, Basic or Digest."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    role = Gst.Structure.from_string("viewer, media.factory.access=true, media.factory.construct=true")[0]
    for mount in mounts.values():
        mount.factory.add_role_from_structure(role)
    server.set_auth(auth)


def main():
    """Serve until told to quit, or until nobody is there to tell."""
    config = json.loads(sys.argv[1])
    Gst.init(None)
    loop, server = GLib.MainLoop(), GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(config.get("port", 0)))
    mounts = {name: Mount(each) for name, each in config["mounts"].items()}
    for name, mount in mounts.items():
        server.get_mount_points().add_factory(f"/{name}", mount.factory)
    if config.get("user"):
        protect(server, mounts, config["user"], config["password"], config.get("digest", False))

    def obey(source, _condition):
        command, _, name = source.readline().strip().partition(" ")
        if command in {"quit", ""}:
            loop.quit()
        elif command == "kick":
            server.client_filter(lambda _server, _client: GstRtspServer.RTSPFilterResult.REMOVE)
        else:
            for mount in [mounts[name]] if name else mounts.values():
                mount.obey(command)
        print("done", flush=True)
        return True

    def tick():
        for mount in mounts.values():
            mount.tick()
        return True

    server.attach(None)
    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, obey)
    GLib.timeout_add(10, tick)
    print("ready", server.get_bound_port(), flush=True)
    loop.run()


main()
