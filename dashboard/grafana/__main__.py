"""Writes the dashboards' JSON: `python -m dashboard.grafana [--page ADDRESS] [--output FOLDER]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.grafana.board import PAGE
from dashboard.grafana.cameras import cameras
from dashboard.grafana.compliance import compliance
from dashboard.grafana.pipeline import pipeline
from dashboard.grafana.thresholds import thresholds

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent


def written(page: str = PAGE) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file."""
    limits = thresholds()
    for board in (compliance(limits), cameras(limits), pipeline(limits)):
        name = board.uid.removeprefix("maskwatch-")
        yield f"{name}.json", json.dumps(board.to_json(page), indent=1) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description="Write the Grafana dashboards of maskwatch as JSON.")
    parser.add_argument("--page", default=PAGE, help="address of maskwatch's web page, for links (%(default)s)")
    parser.add_argument(
        "--output", type=Path, default=HERE, help="folder to write to, made if it is not there (%(default)s)"
    )
    chosen = parser.parse_args(arguments)
    chosen.output.mkdir(parents=True, exist_ok=True)
    for name, text in written(chosen.page):
        (chosen.output / name).write_text(text)


if __name__ == "__main__":
    main()
