"""The systemd units of an installation, as text: one for a machine, or one for each role, shut in as far as they run.

Of the machine it looks only where the program's links lead: a virtual environment's Python is often somewhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from maskwatch.errors import FATAL_EXITS, ConfigError

ROLES = ("ingest", "detect", "aggregate", "notify", "dashboard")
SECRETS = "/etc/maskwatch/secrets.env"
STATE = Path("/var/lib")
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - named to be refused
ACCOUNT = "maskwatch"

SANDBOX = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
UMask=0077
ProtectSystem=strict
PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
"""
"""What holds for every role. `ProcSubset=pid` is left out: onnxruntime reads /proc/cpuinfo."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the units name; every path is absolute."""

    program: tuple[str, ...]
    config: Path
    data_dir: Path
    user: str = ""
    """An account of the machine; empty for one that systemd makes while a unit runs."""
    webcams: bool = False
    gpu: bool = False


def unit_files(site: Site, roles: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the text of each unit by its file name: `maskwatch.service`, or one for each role and their target.

    Raises:
        ConfigError: a path that systemd would read otherwise, no such role, or data that the account cannot keep.
    """
    if not roles:
        return {"maskwatch.service": _service(site, "up", "maskwatch.service")}
    for role in roles:
        if role not in ROLES:
            raise ConfigError(f"--roles: {role!r} is no role; write some of {','.join(ROLES)}")
    names = {f"maskwatch-{role}.service": role for role in dict.fromkeys(roles)}
    units = {name: _service(site, role, name) for name, role in names.items()}
    return units | {"maskwatch.target": _target(tuple(names))}


def check_reach(site: Site) -> None:
    """Refuse what the units would hide from the very program they start, and say where to put it.

    Raises:
        ConfigError: a path below a temporary folder; one below a home, without an account it belongs to.
    """
    program = Path(site.program[0])
    paths = [("program", program), ("program", program.resolve()), ("config", site.config), ("data-dir", site.data_dir)]
    for option, path in paths:
        if _below(path, TEMPORARY):
            raise ConfigError(f"--{option}: {path} is in a temporary folder, and the unit has one of its own")
        if _below(path, HOMES) and not site.user:
            raise ConfigError(
                f"--{option}: {path} is in a home, which the unit's own account does not reach. Put it elsewhere, such "
                "as /opt/maskwatch, /etc/maskwatch or /var/lib/maskwatch, or name the account that may: --user NAME"
            )


def _service(site: Site, role: str, name: str) -> str:
    if site.user and not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", site.user):
        raise ConfigError(f"--user: {site.user!r} is no name of an account")
    command = [*site.program, role, "-c", str(site.config), "--data-dir", str(site.data_dir)]
    lines = [
        "# Written by `maskwatch systemd`. Change it by `systemctl edit`, which keeps what you write apart.",
        "[Unit]",
        f"Description=maskwatch {role}",
        "Wants=network-online.target",
        "After=network-online.target time-sync.target",
        "# A bus or a camera that is away for an hour must not end it for good.",
        "StartLimitIntervalSec=0",
        *([] if role == "up" else ["PartOf=maskwatch.target"]),
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(_quoted(word) for word in command)}",
        "# Reads the settings again; `maskwatch check-config FILE` says before whether they hold.",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "Restart=on-failure",
        "RestartSec=5",
        "# Wrong settings, a wrong model, something not installed: trying again cannot mend those.",
        f"RestartPreventExitStatus={' '.join(str(code) for code in sorted(FATAL_EXITS))}",
        "# It ends its own processes, in order; what is left after that time is killed.",
        "KillMode=mixed",
        "TimeoutStopSec=30",
        "# NAME=value a line, for ${NAME} in the settings; readable by root alone.",
        f"EnvironmentFile=-{SECRETS}",
        *_credentials(role, name),
        *_account(site),
        *_devices(site, role),
        *_home(site),
        *_memory(site, role),
        SANDBOX,
        "[Install]",
        f"WantedBy={'multi-user.target' if role == 'up' else 'maskwatch.target'}",
        "",
    ]
    return "\n".join(lines)


def _target(services: tuple[str, ...]) -> str:
    return "\n".join(
        [
            "# Written by `maskwatch systemd`. The roles meet at `bus.url` of the settings, which must not be empty.",
            "[Unit]",
            "Description=maskwatch: " + ", ".join(name.removesuffix(".service") for name in services),
            f"Wants={' '.join(services)}",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def _credentials(role: str, name: str) -> list[str]:
    """Return a hint where one unit holds all: each credential lies in a folder of the unit's own name."""
    if role != "up":
        return []
    return [
        f"# A secret as a file instead, ${{file:/run/credentials/{name}/door}} in the settings:",
        "#LoadCredential=door:/etc/maskwatch/door",
    ]


def _account(site: Site) -> list[str]:
    lines = [f"User={site.user or ACCOUNT}"]
    if not site.user:  # several units that name the same one share it, and with it the store
        lines.append("DynamicUser=yes")
    if _below(site.data_dir, (STATE,)):
        return [*lines, f"StateDirectory={_quoted(str(site.data_dir.relative_to(STATE)))}", "StateDirectoryMode=0700"]
    if not site.user:
        raise ConfigError(
            f"--data-dir: {site.data_dir} must be in {STATE}, where systemd keeps it for an account of its own making, "
            "or name the account that owns it: --user NAME"
        )
    return [*lines, f"ReadWritePaths={_quoted(str(site.data_dir))}"]


def _devices(site: Site, role: str) -> list[str]:
    allowed = []
    if site.webcams and role in {"up", "ingest"}:
        allowed += ["SupplementaryGroups=video", "DeviceAllow=char-video4linux rw"]
    if site.gpu and role in {"up", "detect"}:
        drivers = ("nvidia", "nvidia-frontend", "nvidia-uvm", "nvidia-caps")
        allowed += [f"DeviceAllow=char-{driver} rw" for driver in drivers]
    return ["PrivateDevices=no", "DevicePolicy=closed", *allowed] if allowed else ["PrivateDevices=yes"]


def _home(site: Site) -> list[str]:
    program = Path(site.program[0])
    used = (program, program.resolve(), site.config, site.data_dir)
    return ["ProtectHome=" + ("read-only" if any(_below(path, HOMES) for path in used) else "yes")]


def _memory(site: Site, role: str) -> list[str]:
    if site.gpu and role in {"up", "detect"}:
        return ["# MemoryDenyWriteExecute is left out: CUDA compiles kernels while it runs."]
    return ["MemoryDenyWriteExecute=yes"]


def _below(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(folder in path.parents for folder in folders)


def _quoted(word: str) -> str:
    r"""Write one word as systemd reads it: spaces in quotes, percent signs twice; what else it would change is refused.

    >>> _quoted("/srv/door cameras/100%.yaml")
    '"/srv/door cameras/100%%.yaml"'
    """
    if not word.isprintable() or any(sign in word for sign in "\"'\\$"):
        raise ConfigError(f"{word!r}: systemd would read this otherwise; use a path without quotes, $, \\, line breaks")
    doubled = word.replace("%", "%%")
    return doubled if re.fullmatch(r"[\w./:=@%+,-]+", doubled) else f'"{doubled}"'
