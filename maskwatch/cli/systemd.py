"""`maskwatch systemd`: the units of an installation without containers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from maskwatch.errors import ConfigError
from maskwatch.units import ROLES, Site, check_reach, unit_files


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False),
    help="Write the units into this folder, such as /etc/systemd/system; printed if left out.",
)  # fmt: skip
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), default=Path("/etc/maskwatch/cameras.yaml"), show_default=True,
    help="Settings file that the units name; it need not be there yet.",
)  # fmt: skip
@click.option(
    "--data-dir", type=click.Path(path_type=Path), default=Path("/var/lib/maskwatch"), show_default=True,
    help="Folder for all that is kept.",
)  # fmt: skip
@click.option("--user", default="", help="Account to run as; systemd makes one if left out.")
@click.option("--roles", default="", help=f"One unit for each of these, instead of one for all: {','.join(ROLES)}.")
@click.option("--webcams", is_flag=True, help="Let ingest reach /dev/video*.")
@click.option("--gpu", is_flag=True, help="Let the detectors reach NVIDIA's devices.")
@click.option("--program", type=click.Path(path_type=Path), help="The maskwatch to start; this one if left out.")
def systemd(
    output: Path | None,
    config: Path,
    data_dir: Path,
    user: str,
    roles: str,
    webcams: bool,
    gpu: bool,
    program: Path | None,
) -> None:
    """Write systemd units that shut maskwatch in: one for this machine, or one for each role."""
    site = Site(
        program=(str(_absolute(program)),) if program else (sys.executable, "-m", "maskwatch"),
        config=_absolute(config),
        data_dir=_absolute(data_dir),
        user=user,
        webcams=webcams,
        gpu=gpu,
    )
    check_reach(site)
    units = unit_files(site, tuple(role.strip() for role in roles.split(",") if role.strip()))
    if output is None:
        click.echo("\n".join(f"# {name}\n{text}" for name, text in units.items()), nl=False)
        return
    for name, text in units.items():
        try:
            output.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text)
        except OSError as error:
            raise ConfigError(f"--output: {output / name} cannot be written: {error.strerror}") from None
        click.echo(output / name)
    click.echo(f"then: systemctl daemon-reload && systemctl enable --now {' '.join(units)}")


def _absolute(path: Path) -> Path:
    """Leave links alone: systemd itself makes the data directory one, for an account of its own making."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - the Path's own keeps the `..`
