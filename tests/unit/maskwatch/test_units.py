"""Units for systemd: shut in, restarted only where that can help, and accepted by systemd's own judge."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from maskwatch.cli import COMMANDS
from maskwatch.cli.stack import _stages
from maskwatch.cli.systemd import systemd
from maskwatch.errors import ConfigError, ModelMismatch, Unsupported
from maskwatch.settings import Settings
from maskwatch.units import ROLES, Site, check_reach, unit_files
from tests.programs import require_program

EXPOSURE = 20
"""Tenths of systemd's 0 (shut in) to 10 (open): above it `systemd-analyze security` fails."""


def _site(**changes: Any) -> Site:
    usual = {
        "program": ("/usr/bin/env",),
        "config": Path("/etc/maskwatch/cameras.yaml"),
        "data_dir": Path("/var/lib/maskwatch"),
    }
    return Site(**(usual | changes))


SITES = [
    pytest.param(_site(), (), id="a machine"),
    pytest.param(_site(), ROLES, id="roles"),
    pytest.param(
        _site(user="daemon", data_dir=Path("/srv/door cameras/100%"), webcams=True), (), id="odd paths, webcams"
    ),
    pytest.param(_site(gpu=True, webcams=True), ("ingest", "detect"), id="devices"),
]


@pytest.mark.parametrize(("site", "roles"), SITES)
def test_systemd_accepts_them(site: Site, roles: tuple[str, ...], tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing to say, and `security` finds each service shut in."""
    analyze = require_program("systemd-analyze")
    units = unit_files(site, roles)
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in units]
    said = subprocess.run([analyze, "verify", "--man=no", *files], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    services = [file for file in files if file.endswith(".service")]
    judge = [analyze, "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", *services]
    said = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_judge_can_say_no(tmp_path: Path) -> None:
    """A misspelt option and an open sandbox fail the same judge, so its silence means something."""
    analyze = require_program("systemd-analyze")
    unit = tmp_path / "maskwatch.service"
    unit.write_text(unit_files(_site())[unit.name].replace("ProtectSystem=strict", "ProtektSystem=strict"))
    said = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert "ProtektSystem" in said.stderr
    unit.write_text("[Service]\nExecStart=/usr/bin/env\n")
    judge = [analyze, "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(unit)]
    assert subprocess.run(judge, capture_output=True, check=False).returncode != 0


def test_what_cannot_be_mended_is_not_tried_again() -> None:
    """The exit codes of wrong settings, a wrong model and something not installed end a service; others restart it."""
    never = sorted({ConfigError.exit_code, ModelMismatch.exit_code, Unsupported.exit_code})
    for name, text in unit_files(_site(), ROLES).items():
        if name.endswith(".service"):
            assert f"RestartPreventExitStatus={' '.join(map(str, never))}\n" in text
            assert "Restart=on-failure\n" in text


def test_roles_are_the_stacks() -> None:
    """Each role that `maskwatch up` starts has a unit and is a command, and the target wants them all."""
    stages = _stages(Settings(), Path("cameras.yaml"), Path("data"))
    started = [child.command[3] for stage in stages for child in stage.children]
    assert list(dict.fromkeys(started)) == list(ROLES)
    units = unit_files(_site(), ROLES)
    for role in ROLES:
        assert role in COMMANDS
        assert f"ExecStart=/usr/bin/env {role} -c /etc/maskwatch/cameras.yaml" in units[f"maskwatch-{role}.service"]
        assert f"maskwatch-{role}.service" in units["maskwatch.target"].split("Wants=")[1].splitlines()[0].split()


def test_devices_are_let_in_only_where_they_are_used() -> None:
    """Webcams reach ingest alone, graphics cards the detectors alone; memory is shut wherever CUDA is not."""
    units = unit_files(_site(webcams=True, gpu=True), ROLES)
    assert "DeviceAllow=char-video4linux rw\n" in units["maskwatch-ingest.service"]
    assert "DeviceAllow=char-nvidia-uvm rw\n" in units["maskwatch-detect.service"]
    assert "MemoryDenyWriteExecute=yes" not in units["maskwatch-detect.service"]
    assert "MemoryDenyWriteExecute=yes\n" in units["maskwatch-ingest.service"]
    for role in ("aggregate", "notify", "dashboard"):
        assert "PrivateDevices=yes\n" in units[f"maskwatch-{role}.service"]


@pytest.mark.parametrize(
    ("changes", "roles", "said"),
    [
        pytest.param({"config": Path("/etc/a\nExecStartPre=/bin/sh")}, (), "line breaks", id="line break"),
        pytest.param({"program": ("/opt/$HOME/maskwatch",)}, (), "otherwise", id="dollar"),
        pytest.param({"config": Path('/etc/a"b.yaml')}, (), "otherwise", id="quote"),
        pytest.param({"data_dir": Path("/srv/maskwatch")}, (), "--user NAME", id="data that no account owns"),
        pytest.param({"user": "root\nUser=x"}, (), "no name of an account", id="account"),
        pytest.param({}, ("ingest", "detector"), "'detector' is no role", id="role"),
    ],
)
def test_what_systemd_would_read_otherwise_is_refused(
    changes: dict[str, Any], roles: tuple[str, ...], said: str
) -> None:
    """A path or a name that would write another line, or another word, is an error that says what to use."""
    with pytest.raises(ConfigError, match=said):
        unit_files(_site(**changes), roles)


def test_spaces_and_percent_signs_are_written_as_systemd_reads_them() -> None:
    """A path with a space stays one word, and a percent sign is not taken for one of systemd's own."""
    text = unit_files(_site(config=Path("/etc/mask watch/100%.yaml")))["maskwatch.service"]
    assert ' -c "/etc/mask watch/100%%.yaml" ' in text


def test_what_the_sandbox_hides_is_refused() -> None:
    """A program in a home or settings in a temporary folder would not be found by the unit, so none is written."""
    with pytest.raises(ConfigError, match="is in a home"):
        check_reach(_site(program=("/home/ann/.venv/bin/maskwatch",)))
    with pytest.raises(ConfigError, match="temporary folder"):
        check_reach(_site(config=Path("/tmp/cameras.yaml"), user="ann"))
    mine = _site(program=("/home/ann/.venv/bin/maskwatch",), user="ann")
    check_reach(mine)
    assert "ProtectHome=read-only\n" in unit_files(mine)["maskwatch.service"]


def test_the_command_writes_files_or_prints(tmp_path: Path) -> None:
    """Without a folder the units are printed; with one they are written, and the next step is told."""
    program = ["--program", "/usr/bin/env"]
    printed = CliRunner().invoke(systemd, program)
    assert printed.output == "# maskwatch.service\n" + unit_files(_site())["maskwatch.service"]
    written = CliRunner().invoke(systemd, [*program, "-o", str(tmp_path), "--roles", "ingest,notify"])
    assert "systemctl enable --now" in written.output
    names = ["maskwatch-ingest.service", "maskwatch-notify.service", "maskwatch.target"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
