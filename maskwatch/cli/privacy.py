"""What is kept of people: `picture` takes out one, `privacy` says what there is, and writes the notice for the door."""

from __future__ import annotations

from pathlib import Path

import click

from maskwatch.cli.process import config_option, data_dir_option, maybe_config_option, store_url
from maskwatch.errors import ConfigError
from maskwatch.settings_file import load_settings


@click.command()
@click.argument("event_id")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="JPEG file to write. It is yours to delete: retention does not reach it.",
)
@maybe_config_option
@data_dir_option
def picture(event_id: str, output: Path, config: Path | None, data_dir: Path) -> None:
    """Write the picture of an episode to a file; `maskwatch events` shows the ids."""
    from aggregator.store import open_store

    url = store_url(load_settings(config) if config else None, data_dir)
    store = open_store(data_dir, url, create=False)
    try:
        found = store.picture_of(event_id)
    finally:
        store.close()
    if found is None:
        raise ConfigError(
            f"there is no picture of the event {event_id}: its time is up, the privacy mode keeps none, or no view of "
            "the person was at hand when it opened"
        )
    output.write_bytes(found.jpeg)
    faces = "faces hidden" if found.faces_hidden else "clear faces"
    click.echo(f"{output}: {len(found.jpeg)} bytes, camera {found.camera_id}, {faces}")


@click.command()
@config_option
@click.option("--notice", "as_notice", is_flag=True, help="Write the text to hang at the door.")
@click.option("--who", default="(name of the company)", help="Notice: who is responsible for the cameras.")
@click.option("--contact", default="(address, telephone or e-mail)", help="Notice: where people turn to.")
@click.option(
    "--purpose",
    default="seeing whether masks are worn where they must be",
    show_default=True,
    help="Notice: what the cameras are for.",
)
def privacy(config: Path, as_notice: bool, who: str, contact: str, purpose: str) -> None:
    """Say in plain words what is kept of people under the settings, where and for how long."""
    from maskwatch.privacy_notice import notice, what_is_kept

    settings = load_settings(config)
    kept = what_is_kept(settings.privacy, settings.retention.pictures_hours)
    if as_notice:
        click.echo(notice(kept, who=who, contact=contact, purpose=purpose))
        return
    click.echo(f"privacy mode: {settings.privacy.mode}")
    for sentence in kept:
        click.echo(f"- {sentence}")
