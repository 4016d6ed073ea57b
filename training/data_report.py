"""Writes down what training.data_check found: as text, as JSON, and as one HTML page with contact sheets."""

from __future__ import annotations

import base64
import html
from itertools import islice
from typing import TYPE_CHECKING, Any

from maskwatch.imaging import encode_jpeg
from training.contact_sheet import COLUMNS, GREEN, GREY, RED, contact_sheets, couple, tile
from training.data_check import SIZES, across, face_sizes, picture_counts, relations
from training.datasets import read_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from maskwatch.domain import Image
    from training.crops import Sample
    from training.data_check import DataReport
    from training.duplicates import Pair

SHOWN = 10  # faults and leaks named in the text; JSON and HTML hold all
SHEET_QUALITY = 80
MOST_COUPLES = 624  # of duplicates on sheets: four pages of each kind
SPLIT_COLUMNS = ("train", "val", "test", "")
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1780px; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .15rem .8rem; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr:nth-child(even) { background: #f3f3f3; }
img { max-width: 100%; display: block; margin: .5rem 0; } .bar { background: #4a7fb5; height: .8rem; }
.bad { color: #b00020; } .good { color: #17692d; }
"""


def report_text(report: DataReport) -> str:
    """Return the report for a terminal."""
    parts = [verdict(report)]
    parts += [f"  {fault.file}: {fault.why}" for fault in report.faults[:SHOWN]]
    parts += [f"  and {len(report.faults) - SHOWN} more"] * (len(report.faults) > SHOWN)
    parts += [
        f"  leak: {leak.first.path} ({leak.first.split}) and {leak.second.path} ({leak.second.split}): {leak.why}"
        for leak in report.leaks[:SHOWN]
    ]
    parts += [f"  and {len(report.leaks) - SHOWN} more leaks"] * (len(report.leaks) > SHOWN)
    for heads, rows in tables(report):
        parts += ["", *_aligned([heads, *rows])]
    return "\n".join(parts)


def verdict(report: DataReport) -> str:
    """Return the one sentence that says whether these data can be trained on."""
    pictures = len(report.pictures)
    if report.clean:
        return f"{pictures} pictures, nothing broken, no leak"
    faults, leaks = len(report.faults), len(report.leaks)
    return f"pictures that can be read: {pictures}; faults: {faults}; leaks between splits: {leaks}"


def tables(report: DataReport) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield head and rows of each table: pictures and faces, duplicates, face sizes."""
    counts = picture_counts(report.pictures)
    keys = sorted({(source, label) for source, label, _ in counts})
    heads = ["pictures", "train", "val", "test", "no split"]
    yield heads, [[f"{key[0]} {key[1]}", *(str(counts[*key, split]) for split in SPLIT_COLUMNS)] for key in keys]
    kinds = relations(report)
    names = list(next(iter(kinds.values())))
    yield ["duplicates", *names], [[kind, *(str(row[name]) for name in names)] for kind, row in kinds.items()]
    sizes = face_sizes(report.samples)
    yield ["face px", *sizes], [[name, *(str(sizes[label][place]) for label in sizes)] for place, name in _ranges()]


def report_json(report: DataReport) -> dict[str, Any]:
    """Return all that was found, as JSON can hold it."""
    sizes = face_sizes(report.samples)
    return {
        "clean": report.clean,
        "pictures": len(report.pictures),
        "counts": [
            {"source": source, "label": label, "split": split, "count": count}
            for (source, label, split), count in sorted(picture_counts(report.pictures).items())
        ],
        "faults": [{"file": str(fault.file), "why": fault.why} for fault in report.faults],
        "leaks": [
            {
                "first": str(leak.first.path),
                "second": str(leak.second.path),
                "splits": [leak.first.split, leak.second.split],
                "why": leak.why,
            }
            for leak in report.leaks
        ],
        "duplicates": relations(report),
        "pairs": [
            {
                "first": str(report.pictures[pair.first].path),
                "second": str(report.pictures[pair.second].path),
                "kind": pair.kind,
                "likeness": pair.likeness,
                "across": across(report, pair),
            }
            for pair in report.pairs
        ],
        "face_px": {label: {name: row[place] for place, name in _ranges()} for label, row in sizes.items()},
    }


def write_report(report: DataReport, folder: Path) -> Path:
    """Write contact sheets as JPEG and index.html, which holds them too, into a folder; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [f"<h1>Data check</h1><p class={'good' if report.clean else 'bad'}>{html.escape(verdict(report))}</p>"]
    if report.faults:
        parts.append(_html_table(["file", "fault"], [[str(fault.file), fault.why] for fault in report.faults]))
    parts += [_html_table(heads, rows) for heads, rows in tables(report)]
    parts += [_bars(label, row) for label, row in face_sizes(report.samples).items()]
    for title, name, pages in _sheets(report):
        parts.append(f"<h2>{html.escape(title)}</h2>")
        for number, page in enumerate(pages, 1):
            data = encode_jpeg(page, SHEET_QUALITY)
            (folder / f"{name}_{number:02}.jpg").write_bytes(data)
            parts.append(f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">')
    index = folder / "index.html"
    index.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Data check</title><style>{STYLE}</style>'
        + "\n".join(parts)
        + "</html>\n"
    )
    return index


def crop_sheets(samples: Iterable[Sample]) -> Iterator[Image]:
    """Yield pages of crops: those the detector did not find first, framed red, then from the least sure find."""
    ordered = sorted(samples, key=lambda sample: sample.face_score)
    return contact_sheets(tile(sample.crop, GREEN if sample.found else RED) for sample in ordered)


def _sheets(report: DataReport) -> Iterator[tuple[str, str, Iterator[Image]]]:
    """Yield title, file name and pages of each set of sheets."""
    for label in face_sizes(report.samples):
        chosen = [sample for sample in report.samples if sample.label == label]
        missed = sum(not sample.found for sample in chosen)
        title = f"{label}: {len(chosen)} faces, {missed} of them not found by the detector (red)"
        yield title, label, crop_sheets(chosen)
    kinds: dict[str, list[Pair]] = {}
    for pair in report.pairs:
        kinds.setdefault(next(iter(across(report, pair)), "within one class, split and set"), []).append(pair)
    for name, pairs in sorted(kinds.items()):
        pairs.sort(key=lambda pair: pair.likeness)
        shown = pairs[:: -(-len(pairs) // MOST_COUPLES)]
        title = f"duplicates {name}: {len(shown)} of {len(pairs)} pairs, the least alike first (red: across splits)"
        tiles = (_couple(report, pair) for pair in shown)
        yield (
            title,
            f"duplicates_{name.replace(' ', '_').replace(',', '')}",
            contact_sheets(tiles, columns=COLUMNS // 2),
        )


def _couple(report: DataReport, pair: Pair) -> Image:
    one, other = report.pictures[pair.first], report.pictures[pair.second]
    colour = RED if "across splits" in across(report, pair) else GREY
    return couple(read_picture(one.path), read_picture(other.path), colour)


def _ranges() -> Iterator[tuple[int, str]]:
    for place, low in enumerate(SIZES):
        high = next(islice(SIZES, place + 1, None), None)
        yield place, f"{low}-{high}" if high else f"{low}-"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _bars(label: str, row: Sequence[int]) -> str:
    most = max([*row, 1])
    lines = [
        f'<tr><td>{name}</td><td>{row[place]}</td><td><div class=bar style="width:{300 * row[place] / most:.0f}px">'
        "</div></td></tr>"
        for place, name in _ranges()
    ]
    return f"<h3>{html.escape(label)}: face size in pixels</h3><table>{''.join(lines)}</table>"
