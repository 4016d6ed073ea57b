"""The command `maskwatch`: the composition root, and the only place that knows of signals and exit codes.

Each command lives in a module of its own kind and is imported when it is called, so that `maskwatch aggregate`
never loads a model and `maskwatch check-config` answers at once.
"""

from __future__ import annotations

import importlib
import sys

import click

from maskwatch import __version__
from maskwatch.errors import MaskwatchError
from maskwatch.secrecy import hide_credentials

COMMANDS = {
    "up": "stack",
    "ingest": "workers",
    "detect": "workers",
    "aggregate": "workers",
    "notify": "notify",
    "dashboard": "page",
    "status": "status",
    "events": "watch",
    "subscribe": "watch",
    "alerts": "alerts",
    "picture": "privacy",
    "privacy": "privacy",
    "health": "health",
    "check-config": "check",
    "schema": "check",
    "doctor": "check",
    "systemd": "systemd",
    "store": "store",
    "backup": "store",
    "restore": "store",
    "erase": "erase",
    "report": "report",
    "image": "pictures",
    "video": "pictures",
    "demo": "demo",
    "data": "data",
    "train": "train",
    "models": "models",
    "evaluate": "evaluate",
    "replay": "replay",
}
"""Every command and the module of this package that holds it."""


class _LazyGroup(click.Group):
    """Imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List all commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"maskwatch.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="maskwatch")
def command() -> None:
    """Watch cameras for people without face masks: RTSP in, no-mask events and Prometheus metrics out."""


def main() -> None:
    """Run the command line; an error meant for people is one message and its own exit code."""
    try:
        command(standalone_mode=True)
    except MaskwatchError as error:
        click.echo(f"maskwatch: {hide_credentials(str(error))}", err=True)
        sys.exit(error.exit_code)
