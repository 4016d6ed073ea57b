"""Turn a report's tables into one HTML page: inline plots, light and dark, nothing from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from training import plots
from training.tables import ALL, BOXED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from training.tables import Table

STYLE = """
:root { color-scheme: light dark; --surface: #fcfcfb; --ink: #1c1c1a; --muted: #6b6a66; --grid: #e3e2dd;
  --mask: #2a78d6; --no-mask: #d8413f; --incorrect: #b67a00; --unknown: #8d8c87; --not-found: #b3b2ac; }
@media (prefers-color-scheme: dark) { :root { --surface: #1a1a19; --ink: #ecebe7; --muted: #a3a29c; --grid: #383835;
  --mask: #3987e5; --no-mask: #e66767; --incorrect: #d69a1e; --unknown: #7d7c77; --not-found: #5c5b57; } }
body { background: var(--surface); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 66rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .2rem; }
p { max-width: 46rem; } .note { color: var(--muted); }
.warning { border-left: .35rem solid var(--no-mask); padding: .4rem .8rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { border-bottom: 1px solid var(--grid); padding: .2rem .7rem .2rem 0; text-align: right; white-space: nowrap; }
th { color: var(--muted); font-weight: 600; vertical-align: bottom; white-space: normal; }
.names td { white-space: normal; }
th:first-child, td:first-child, .names td:nth-child(2), .names th:nth-child(2) { text-align: left; }
.wide { overflow-x: auto; } .range { color: var(--muted); display: block; font-size: .8em; line-height: 1.2; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
svg { height: auto; max-width: 100%; } svg * { stroke-linejoin: round; }
.faces { display: flex; flex-wrap: wrap; gap: .8rem; } figure { margin: 0; width: 8rem; }
figure img { border-radius: .3rem; display: block; width: 8rem; } figcaption { font-size: .8rem; line-height: 1.3; }
code { font-size: .85em; overflow-wrap: anywhere; }
"""

CALIBRATED = 0.03  # calibration error that is aimed at
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title><style>{style}</style></head><body>
{body}
</body></html>
"""


def render(report: Table, errors: str = "") -> str:
    """Return the page; `errors` is the HTML of the worst errors' pictures."""
    title = f"{report['model']['name']} on {report['data']['name']}"
    parts = (
        _head(report, title, pictures=bool(errors)),
        _agreed(report),
        _end_to_end(report),
        _curves(report),
        _classifier(report),
        _thresholds(report),
        _slices(report),
        _sources(report),
        _clips(report),
        _comparison(report),
        f"<h2>Worst errors</h2>{errors}" if errors else "",
        _cost(report),
        _origin(report),
    )
    return PAGE.format(title=escape(title), style=STYLE, body="\n".join(part for part in parts if part))


def _head(report: Table, title: str, *, pictures: bool) -> str:
    data = report["data"]
    warning = (
        '<p class="warning"><strong>Do not publish this page.</strong> It shows crops of the data, and with them '
        "people who agreed to nothing. Without <code>--data</code> it is written without them.</p>"
    )
    return f"""<h1>{escape(title)}</h1>{warning if pictures else ""}
<p>{data["faces"]} labelled faces of {data["min_face_px"]:g} px and more in {data["pictures"]} pictures, split
<strong>{escape(data["split"])}</strong>. A face is found when a detection overlaps its label by an IoU above 0.35, and
right when the state told is the truth; <em>unknown</em> is never right. Ranges are 95 % intervals that draw groups of
near-equal pictures again; for shares the wider of these and Wilson's.</p>"""


def _agreed(report: Table) -> str:
    plot = plots.draw_intervals(list(report["agreed"].items()), "agreed figures: higher is better")
    rows = [(name, *_cells(figure)) for name, figure in report["agreed"].items()]
    return f"<h2>At a glance</h2>{plot}{_table(('figure', 'value', '95 %', 'of'), rows)}"


def _end_to_end(report: Table) -> str:
    parts = ["<h2>End to end: finding and judging</h2>"]
    for name in (name for name in (BOXED, "portraits") if name in report["states"]):
        states = report["states"][name]
        rows = [(state, *(row["told"][told] for told in plots.STATES), row["faces"]) for state, row in states.items()]
        parts.append(f"<h3>{escape(name)}</h3>{plots.draw_told(states)}")
        parts.append(_table(("truth", *plots.STATES, "faces"), rows))
    told = report["states"][ALL]
    sayings = [
        f"Of {told[state]['faces']} {people}, {told[state]['told'][wrong]} were told to {meaning}."
        for state, people, wrong, meaning in (
            ("mask", "people with a mask", "no_mask", "have none: what a false alarm is made of"),
            ("no_mask", "people without one", "mask", "wear one: what a missed alarm is made of"),
            ("incorrect", "people who wear it badly", "mask", "wear it well"),
        )
        if state in told
    ]
    nobody = report["nobody"]
    if nobody["pictures"]:
        counts = ", ".join(f"{count} {name}" for name, count in nobody["told"].items() if count) or "none"
        sayings.append(
            f"In {nobody['pictures']} pictures whose faces are all labelled the detector found {nobody['finds']} "
            f"places where no face is labelled, told: {counts}. Some of these are faces that the labels lack."
        )
    return "".join(parts) + "".join(f"<p>{escape(saying)}</p>" for saying in sayings)


def _curves(report: Table) -> str:
    history = report["history"]
    if not history.get("loss"):
        return ""
    return f"<h2>Training</h2>{plots.draw_curves(history)}"


def _classifier(report: Table) -> str:
    told = report["classifier"]
    if not told:
        return ""
    area, precision, error = (
        _said(told[name])
        for name in ("AUROC mask against no_mask", "average precision of no_mask", "calibration error")
    )
    rows = [
        (name, *(row[key] for key in ("precision", "recall", "f1")), row["faces"])
        for name, row in told["report"].items()
    ]
    rows += [("accuracy", "", told["accuracy"], "", told["faces"])]
    rows += [("balanced accuracy", "", told["balanced accuracy"], "", told["faces"])]
    met = "met" if (told["calibration error"]["value"] or 0) < CALIBRATED else "missed"
    return f"""<h2>The classifier alone, on {told["faces"]} found faces</h2>
<p>The likeliest class is taken, however unsure.</p>{_table(("class", "precision", "recall", "F1", "faces"), rows)}
<div class="plots">{plots.draw_confusion(told["classes"], told["confusion"])}
{plots.draw_roc(told["roc"], f"AUROC {area}") if told["roc"] else ""}
{plots.draw_precision_recall(told["precision_recall"], f"average {precision}") if told["precision_recall"] else ""}
{plots.draw_reliability(told["reliability"], f"error {error}")}</div>
<p>Calibration error over 15 bins: {error}; the aim of less than {CALIBRATED} is {met}. Drawing again tends to add
to this error, so its interval lies high.</p>"""


def _thresholds(report: Table) -> str:
    if not report["abstention"]:
        return ""
    chosen = report["settings"].get("unknown_below")
    keys = ("coverage", "error", "masks called no_mask", "bare faces called mask", "bare faces called no_mask")
    rows = [(f"{row['unknown_below']:g}", *(row[key] for key in keys)) for row in report["abstention"]]
    scores = [
        (
            f"{row['face_score']:g}",
            *(row[state] for state in ("mask", "no_mask", "incorrect")),
            row["finds of nobody in 100 pictures"],
        )
        for row in report["face_scores"]
    ]
    return f"""<h2>Thresholds, and what they cost</h2>
<p>A face whose best probability is under a threshold is <em>unknown</em>. A higher one leaves fewer errors, and fewer
judged faces.</p>{plots.draw_abstention(report["abstention"], chosen)}
{_table(("unknown under", "judged", "wrong of judged", *keys[2:]), rows)}
<h3>Score of the face detector</h3><p>Faces found at a score, by truth, and finds where no face is labelled.</p>
{_table(("score", "mask", "no_mask", "incorrect", "finds of nobody in 100 pictures"), scores)}"""


def _slices(report: Table) -> str:
    named = [(f"{row['kind']}: {row['slice']}", row) for row in report["slices"]]
    plot = plots.draw_intervals(
        [(name, row["found and right"]) for name, row in named if not row["too few"]], "found and right, by slice"
    )
    keys = ("found", "found and right", "mask", "no_mask", "incorrect, not called mask")
    rows = [
        (f"{name}{' (too few)' if row['too few'] else ''}", row["faces"], *(row[key] for key in keys))
        for name, row in named
    ]
    return f"""<h2>Slices</h2><p>Sorted by what can be measured on pixels and landmarks. Rows of fewer than ten faces
are not drawn; those of pose are about found faces only. Nothing is known of skin tone, age or sex: that would take
labels that the data does not have.</p>{plot}
{_table(("slice", "faces", *keys), rows)}"""


def _sources(report: Table) -> str:
    keys = ("found and right", "AUROC mask against no_mask", "calibration error", "balanced accuracy")
    rows = [(name, row["faces"], *(row[key] for key in keys)) for name, row in report["sources"].items()]
    parts = [f"<h2>Sources</h2>{_table(('source', 'faces', *keys), rows)}"]
    left_out = report.get("left_out")
    if left_out:
        area = "AUROC mask against no_mask"
        rows = [(name, row["faces"], *(row[key] for key in keys)) for name, row in left_out.items()]
        parts.append("<h3>Leave one source out</h3><p>Each row is of a model that never saw that source.</p>")
        parts.append(plots.draw_intervals([(name, row[area]) for name, row in left_out.items()], area))
        parts.append(_table(("source left out", "faces", *keys), rows))
    return "".join(parts)


def _clips(report: Table) -> str:
    clips = report.get("clips")
    if not clips:
        return ""
    named = [*clips["clips"].items(), (ALL, clips["all"])]
    rows = [
        (
            name,
            row["faces"],
            *(row[key] for key in ("right", "judged", "right of judged")),
            "" if row["longest wrong no_mask run, s"] is None else f"{row['longest wrong no_mask run, s']:.2f} s",
        )
        for name, row in named
    ]
    return f"""<h2>Clips, frame by frame</h2>
<p>What the service's path tells of found faces whose truth is known, before anything is tracked; up to six frames a
second. The last column is the longest time in which a masked person was told at every look to have none.</p>
{plots.draw_intervals([(name, row["right"]) for name, row in named], "right, of found faces with known truth")}
{_table(("clip", "faces", "right", "judged", "right of judged", "longest wrong no_mask run"), rows)}"""


def _comparison(report: Table) -> str:
    comparison = report.get("comparison")
    if not comparison:
        return ""
    rows = [
        (
            state,
            row["faces"],
            *(row[key] for key in ("right", "other right", "gain")),
            row["only right"],
            row["only other right"],
            f"{row['mcnemar p']:g}",
        )
        for state, row in comparison["states"].items()
    ]
    columns = ("truth", "faces", "this", "other", "gain", "only this right", "only the other right", "p")
    return f"""<h2>Against {escape(comparison["model"]["name"])}</h2>
<p>On the same labelled faces; p is of McNemar's exact test, which takes faces for independent.</p>
{_table(columns, rows)}"""


def _cost(report: Table) -> str:
    rows = [(name, f"{row['ms']:g}", f"{row['processor ms']:g}") for name, row in report["cost"].items()]
    size = report["model"].get("bytes")
    if not rows or not size:
        return ""
    return f"""<h2>Cost</h2><p>On the machine of the evaluation. The processor's time counts all threads, and energy
follows it. The classifier has {size / 1e6:.2f} MB, the face detector {report["face"]["bytes"] / 1e6:.2f} MB.</p>
{_table(("", "ms", "processor ms"), rows)}"""


def _origin(report: Table) -> str:
    run = report["run"]
    rows: list[tuple[Any, ...]] = [
        ("model", report["model"]["name"], report["model"]["sha256"]),
        ("face detector", report["face"]["name"], report["face"]["sha256"] or ""),
        ("data", f"{report['data']['name']}, {report['data']['split']}", report["data"]["fingerprint"]),
        ("evaluated with", f"revision {report.get('revision') or 'unknown'}", json.dumps(report["settings"])),
    ]
    if run:
        said = f"{run.get('recipe', '')}, {run.get('input_size', '')} px, {run.get('seconds', 0) / 60:.0f} minutes"
        rows.append(("training", f"{said}, revision {run.get('revision')}", run.get("fingerprint", "")))
        rows.append(("configuration", json.dumps(run.get("config", {})), ""))
    body = "".join(
        f"<tr><td>{escape(what)}</td><td>{escape(str(name))}</td><td><code>{escape(str(code))}</code></td></tr>"
        for what, name, code in rows
    )
    return f'<h2>Where it comes from</h2><div class="wide"><table class="names">{body}</table></div>'


def _table(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table of texts, numbers and figures; nothing is None but what is not known."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _text(cell: Any) -> str:
    if isinstance(cell, dict):
        value, interval, count = _cells(cell)
        return f'{value}<span class="range">{interval} of {count}</span>' if interval else value
    return "" if cell is None else escape(str(cell), quote=False)


def _cells(figure: Table) -> tuple[str, str, int]:
    if figure["value"] is None:
        return "-", "", figure["of"]
    return f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}", figure["of"]


def _said(figure: Table) -> str:
    """Return a figure and its interval as one text.

    >>> _said({"value": 0.5, "low": 0.25, "high": 0.75, "of": 8})
    '0.500 (0.250 to 0.750)'
    """
    value, interval, _ = _cells(figure)
    return f"{value} ({interval})" if interval else value
