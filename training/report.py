"""Write the report of a run: one page that needs nothing else, and the same as JSON.

    python -m training.report --run runs/one --evaluation test.json --evaluation clips.json \
        --left-out kaggle=without_kaggle.json --data DATA -o runs/one/report.html

The first evaluation of `maskwatch evaluate --output` is what the page is about; the others add what it lacks, such as
clips or a comparison. With --data the worst errors are shown as pictures: such a page must not be published.
"""

from __future__ import annotations

import argparse
import base64
import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch.errors import ConfigError
from maskwatch.imaging import crop_face, encode_jpeg
from training.datasets import read_picture
from training.evaluate import read_data
from training.page import render
from training.tables import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from training.tables import Table

FACE_SIDE = 128  # pixels of an error's picture
AROUND = 1.4  # of the box, beside what the classifier is shown


def write_report(
    output: Path,
    evaluations: Sequence[Table],
    *,
    run: Path | None = None,
    left_out: Mapping[str, Table] | None = None,
    data: Path | None = None,
    labels: Path | None = None,
) -> Table:
    """Write the page and, under the same name, the JSON; return what is in the latter.

    Args:
        output: the page's file, ending in .html.
        evaluations: reports of `training.evaluate`; later ones add what the first lacks.
        run: the training's folder with run.json and history.json, as far as they are there.
        left_out: by source, reports of models that never saw it, on that source.
        data: where the pictures of the worst errors are; without it none is shown.
        labels: hand-made labels put over the data's.
    """
    report: Table = {}
    for evaluation in evaluations:
        report = {**evaluation, **report}
    if "agreed" not in report:
        raise ConfigError("no evaluation of pictures: write one by maskwatch evaluate --data DIR --output FILE")
    for name in ("run", "history"):
        report[name] = _read_json(run / f"{name}.json") if run else report.get(name, {})
    if left_out:
        report["left_out"] = {
            name: {"model": each["model"], "data": each["data"], **each["sources"][ALL]}
            for name, each in left_out.items()
        }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    output.write_text(render(report, show_errors(report, data, labels) if data else ""), encoding="utf-8")
    return report


def show_errors(report: Table, data: Path, labels: Path | None = None) -> str:
    """Return the worst errors as pictures inside of HTML, each with what was told of it."""
    paths = {picture.name: picture.path for picture in read_data(data, labels)}
    shown = []
    for error in report["errors"]:
        if error["file"] not in paths:
            raise ConfigError(f"{data}: {error['file']} is not in it; name by --data what was evaluated")
        left, top, right, bottom = error["box"]
        wider, higher = (AROUND - 1) / 2 * (right - left), (AROUND - 1) / 2 * (bottom - top)
        box = (left - wider, top - higher, right + wider, bottom + higher)
        crop = crop_face(read_picture(paths[error["file"]]), box, FACE_SIDE)
        source = base64.b64encode(encode_jpeg(crop, 85)).decode()
        sure = "" if error["probability"] is None else f" ({error['probability']:.2f})"
        shown.append(
            f'<figure><img src="data:image/jpeg;base64,{source}" alt=""><figcaption><strong>{escape(error["told"])}'
            f"</strong>{sure}<br>truth: {escape(error['truth'])}<br><code>{escape(Path(error['file']).name)}</code>"
            "</figcaption></figure>"
        )
    if not shown:
        return "<p>None: all faces were found and told right or unknown.</p>"
    return f'<p>The surest first, then the largest that were not found.</p><div class="faces">{"".join(shown)}</div>'


def _read_json(file: Path) -> Table:
    if not file.is_file():
        return {}
    read: Table = json.loads(file.read_text(encoding="utf-8"))
    return read


def _load(file: Path) -> Table:
    try:
        loaded: Table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: no report of maskwatch evaluate --output: {error}") from None
    return loaded


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and write the page."""
    parser = argparse.ArgumentParser(prog="python -m training.report", description=__doc__)
    parser.add_argument("--run", type=Path, help="folder of the training, with run.json and history.json")
    parser.add_argument("--evaluation", type=Path, action="append", required=True, help="JSON; several are joined")
    parser.add_argument("--left-out", action="append", default=[], metavar="SOURCE=FILE", help="of a model without it")
    parser.add_argument("--data", type=Path, help="where the pictures are; shows the worst errors")
    parser.add_argument("--labels", type=Path, help="hand-made labels, as in the evaluation")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the page; its JSON lies beside it")
    chosen = parser.parse_args(arguments)
    left_out = {}
    for each in chosen.left_out:
        source, sign, file = each.partition("=")
        if not sign:
            raise ConfigError(f"--left-out: {each!r}: expected SOURCE=FILE")
        left_out[source] = _load(Path(file))
    evaluations = [_load(file) for file in chosen.evaluation]
    write_report(chosen.output, evaluations, run=chosen.run, left_out=left_out, data=chosen.data, labels=chosen.labels)
    print(f"written: {chosen.output} and {chosen.output.with_suffix('.json')}")


if __name__ == "__main__":
    main()
