"""deploy/compose.yaml and what lies beside it, as text: what no process can show."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from maskwatch.cli import COMMANDS
from maskwatch.contracts import memory_ceiling, pictures_ceiling
from maskwatch.settings_file import parse_settings
from tests.composed import resolved
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

DEPLOY = ROOT / "deploy"
FACE_OUTSIDE = {"dashboard": "8080", "grafana": "3000", "mqtt": "1883"}


@cache
def services() -> dict[str, Any]:
    """All services of all profiles, as Docker Compose reads them."""
    return resolved(DEPLOY, "*")


def own() -> Iterator[tuple[str, Any]]:
    """The services that run maskwatch itself."""
    return ((name, each) for name, each in services().items() if each["image"].startswith("maskwatch:"))


def test_every_service_is_bounded_and_restarted() -> None:
    """No service may take all memory, gain rights, write logs without end, be ill unseen, or stay away once dead."""
    for name, each in services().items():
        assert each["restart"] == "unless-stopped", name
        assert each["healthcheck"]["test"], name
        assert int(each["mem_limit"]) > 0, name
        assert "no-new-privileges:true" in each["security_opt"], name
        assert each["logging"]["options"]["max-size"], name
        assert not re.search(r":latest$|^[^:]+$", each["image"]), f"{name} names no version"


def test_only_the_page_and_chosen_ports_face_outside() -> None:
    """Nothing but the page, Grafana and the MQTT broker is published, and the servers cannot reach out."""
    published = {name: each["ports"][0]["published"] for name, each in services().items() if each.get("ports")}
    assert published.items() <= FACE_OUTSIDE.items()
    assert all(set(services()[name]["networks"]) == {"bus"} for name in ("bus", "frames"))


def test_roles_run_without_rights() -> None:
    """Each role runs as the image's user on a read-only file system, under the Redis user of its own command."""
    for name, each in own():
        assert (each["user"], each["read_only"], each["cap_drop"]) == ("10001:10001", True, ["ALL"]), name
        (command,) = each["command"]
        assert command in COMMANDS, name
        assert each["environment"]["MASKWATCH_BUS_USER"] == command
        sources = [secret["source"] for secret in each["secrets"]]
        assert [source for source in sources if source.startswith("bus_")] == [f"bus_{command}"]
        shares_its_folder = any(mount["target"] == "/var/lib/maskwatch" for mount in each["volumes"])
        own_file = ["--file", f"/var/lib/maskwatch/run/{command}.alive"] if shares_its_folder else []
        assert each["healthcheck"]["test"] == ["CMD", "maskwatch", "health", *own_file]


def test_the_two_servers_differ_in_what_they_keep() -> None:
    """Pictures are never written to a disk, logs are; neither evicts, and neither is open without a user."""
    for name, appends in (("frames", "no"), ("bus", "yes")):
        words = services()[name]["command"]
        options = dict(zip(words[1::2], words[2::2], strict=True))
        assert (options["--appendonly"], options["--save"]) == (appends, "")
        assert options["--maxmemory-policy"] == "noeviction"
        assert options["--aclfile"] == "/run/secrets/users.acl"
        assert options["--protected-mode"] == "no"  # it would refuse all other hosts: the default user has no password
        need = pictures_ceiling(16) if name == "frames" else memory_ceiling(16) - pictures_ceiling(16)
        assert need < int(options["--maxmemory"].removesuffix("mb")) * 2**20 < int(services()[name]["mem_limit"])


def test_every_variable_has_its_default_in_the_example() -> None:
    """.env.example names each variable of the compose file, with the default that stands there."""
    text = (DEPLOY / "compose.yaml").read_text()
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    shown = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    assert shown.pop("COMPOSE_PROFILES") == ""
    assert used == shown


def test_secrets_are_made(tmp_path: Path) -> None:
    """The script makes every secret that the compose file mounts, but the page's hash, which needs the image."""
    subprocess.run(["sh", str(DEPLOY / "secrets.sh"), str(tmp_path)], check=True, capture_output=True)
    wanted = {secret["source"] for each in services().values() for secret in each.get("secrets", [])}
    assert wanted - {"page_password_hash"} <= {file.name for file in tmp_path.iterdir()}
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    subprocess.run(["sh", str(DEPLOY / "secrets.sh"), str(tmp_path)], check=True, capture_output=True)
    assert {file: file.read_bytes() for file in before} == before  # what is there stays


def test_example_settings_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's settings load, lead to the services by their names, and hide what is secret."""
    for name in ("bus_password", "page_password_hash"):
        (tmp_path / name).write_text("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA" if "hash" in name else "hunter2")
    text = (DEPLOY / "settings" / "cameras.example.yaml").read_text().replace("/run/secrets", str(tmp_path))
    monkeypatch.setenv("MASKWATCH_BUS_USER", "ingest")
    settings = parse_settings(text)
    assert settings.bus.url == "redis://ingest:hunter2@bus:6379/0"
    assert settings.bus.frames_url == "redis://ingest:hunter2@frames:6379/0"
    assert settings.metrics.port == 9108
    assert (settings.dashboard.host, settings.dashboard.port) == ("0.0.0.0", 8080)  # noqa: S104
    assert "viewer" in settings.cameras[0].source


def test_prometheus_of_compose_says_what_the_other_says() -> None:
    """Prometheus in containers asks and judges as the one beside a stack does, at other addresses."""
    plain, composed = (
        yaml.safe_load((DEPLOY / "prometheus" / f"{n}.yml").read_text()) for n in ("prometheus", "compose")
    )
    for tree in (plain, composed):
        targets = [
            tree["scrape_configs"][0]["static_configs"][0],
            tree["alerting"]["alertmanagers"][0]["static_configs"][0],
        ]
        tree["addresses"] = [each.pop("targets")[0].rpartition(":") for each in targets]
    assert [port for _, _, port in plain.pop("addresses")] == [port for _, _, port in composed["addresses"]]
    assert all(host in services() for host, _, _ in composed.pop("addresses"))
    assert plain == composed


def test_helpers_beside_the_site() -> None:
    """The broker asks for a password, and go2rtc answers where the comment in its file says."""
    broker = (DEPLOY / "mosquitto.conf").read_text()
    assert "allow_anonymous false" in broker
    assert "listener 1883" in broker
    relay = yaml.safe_load((DEPLOY / "go2rtc.yaml").read_text())
    assert relay["rtsp"]["listen"] == ":8554"
    assert f"http://{relay['api']['listen']}/api" == services()["go2rtc"]["healthcheck"]["test"][-1]
    assert relay["streams"].keys() == {"lobby"}
    assert services()["go2rtc"]["volumes"][0]["target"] == services()["go2rtc"]["command"][-1]
    assert f"rtsp://go2rtc{relay['rtsp']['listen']}/lobby" in (DEPLOY / "go2rtc.yaml").read_text()
    assert set(services()["go2rtc"]["networks"]) & set(services()["ingest"]["networks"])


def test_grafana_finds_its_dashboards_and_its_data() -> None:
    """The dashboards are mounted where the provisioning looks, and ask the Prometheus of the compose file."""
    mounts = {each["target"]: Path(each["source"]) for each in services()["grafana"]["volumes"]}
    (provider,) = provisioning("/etc/grafana/provisioning/dashboards", mounts)["providers"]
    assert mounts[provider["options"]["path"]] == ROOT / "dashboard" / "grafana"
    assert list((ROOT / "dashboard" / "grafana").glob("*.json"))
    (source,) = provisioning("/etc/grafana/provisioning/datasources", mounts)["datasources"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert f"--web.listen-address=0.0.0.0:{port}" in services()[host]["command"]


def provisioning(folder: str, mounts: dict[str, Path]) -> dict[str, Any]:
    """Return the one file that Grafana finds in a folder of its provisioning, by its mounts."""
    (found,) = (
        file
        for target, source in mounts.items()
        if target.startswith(folder)
        for file in (source.glob("*.yaml") if source.is_dir() else [source])
    )
    tree: dict[str, Any] = yaml.safe_load(found.read_text())
    assert tree["apiVersion"] == 1
    return tree


def test_grafana_outside_a_container() -> None:
    """Its data source is the compose file's at another address, and both ask as often as Prometheus scrapes."""
    plain, composed = (
        yaml.safe_load((DEPLOY / "grafana" / name).read_text())
        for name in ("provisioning/datasources/maskwatch.yaml", "compose.yaml")
    )
    (alone,), (inside,) = plain["datasources"], composed["datasources"]
    assert alone.pop("url") == "http://127.0.0.1:9090"
    assert inside.pop("url") != "http://127.0.0.1:9090"
    assert plain == composed
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert alone["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
