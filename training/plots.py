"""Draw the plots of a report as inline SVG whose colours and fonts are the page's, so that they suit light and dark.

matplotlib draws with stand-in colours; each is replaced by a variable of the page's style sheet afterwards.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from training.slices import TOO_FEW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from training.tables import Table

INK, MUTED, GRID, SURFACE = "#010203", "#040506", "#070809", "#0a0b0c"
MASK, NO_MASK, INCORRECT, UNKNOWN, NOT_FOUND = "#0d0e0f", "#101112", "#131415", "#161718", "#191a1b"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    SURFACE: "--surface",
    MASK: "--mask",
    NO_MASK: "--no-mask",
    INCORRECT: "--incorrect",
    UNKNOWN: "--unknown",
    NOT_FOUND: "--not-found",
}
"""Stand-in colours and the variables that take their place."""

STATES = {"mask": MASK, "no_mask": NO_MASK, "incorrect": INCORRECT, "unknown": UNKNOWN, "not found": NOT_FOUND}
STYLE: dict[Any, Any] = {  # matplotlib's keys are a closed list
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}
ROW = 0.32  # inches of height for each row of a plot with rows


def draw_curves(history: Mapping[str, Sequence[float]]) -> str:
    """Return loss and accuracy over the training, of what was learned from and of what was held back."""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(9, 3.2), layout="constrained")
        sides = picture.subplots(1, 2)
        for axes, name in zip(sides, ("loss", "accuracy"), strict=True):
            for key, label, colour in ((name, "training", NO_MASK), (f"val_{name}", "validation", MASK)):
                values = history.get(key) or []
                steps = history.get("step") or []
                across = steps if len(steps) == len(values) else range(1, len(values) + 1)
                axes.plot(list(across), list(values), color=colour, label=label, marker="o", markersize=3)
            axes.set(title=name, xlabel="step" if history.get("step") else "epoch")
            axes.legend()
        return _to_svg(picture, "accuracy and loss over the training")


def draw_told(states: Mapping[str, Table]) -> str:
    """Return for each true state what was told of its faces, as stacked shares."""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(9, 0.9 + 0.6 * len(states)), layout="constrained")
        axes = picture.subplots()
        names = list(states)
        lefts = [0.0] * len(names)
        for told, colour in STATES.items():
            widths = [states[name]["told"].get(told, 0) / states[name]["faces"] for name in names]
            axes.barh(names, widths, left=lefts, color=colour, label=told, edgecolor=SURFACE, linewidth=1.5, height=0.7)
            for place, (width, left) in enumerate(zip(widths, lefts, strict=True)):
                if width >= 0.06:
                    middle = left + width / 2
                    axes.text(middle, place, f"{width:.0%}", ha="center", va="center", color=SURFACE, weight="bold")
            lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
        axes.set(xlim=(0, 1), xlabel="share of the labelled faces")
        axes.grid(visible=False)
        axes.invert_yaxis()
        axes.legend(ncols=len(STATES), loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=9)
        return _to_svg(picture, "what was told of the faces of each true state")


def draw_confusion(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """Return counts by truth (rows) and the likeliest class (columns), shaded by the share of the row."""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(4.2, 3.6), layout="constrained")
        axes = picture.subplots()
        for row, counts in enumerate(confusion):
            for column, count in enumerate(counts):
                part = count / max(1, sum(counts))
                colour = MASK if row == column else NO_MASK
                axes.bar(column, 1, bottom=row - 0.5, width=1, color=colour, alpha=0.12 + 0.75 * part if count else 0.0)
                axes.text(column, row, f"{count}\n{part:.1%}", ha="center", va="center", color=INK)
        places = range(len(classes))
        axes.set(xticks=places, yticks=places, xticklabels=classes, yticklabels=classes)
        axes.set(xlabel="likeliest class", ylabel="truth", ylim=(len(classes) - 0.5, -0.5))
        axes.grid(visible=False)
        return _to_svg(picture, "confusion matrix")


def draw_roc(points: Sequence[Sequence[float]], label: str) -> str:
    """Return the share of masks kept against the share of bare faces let through, for all thresholds."""
    return _draw_curve(points, label, "bare faces called mask", "masks called mask", diagonal=True)


def draw_precision_recall(points: Sequence[Sequence[float]], label: str) -> str:
    """Return how many alarms are true against how many bare faces raise one, for all thresholds."""
    return _draw_curve(points, label, "bare faces called no_mask (recall)", "no_mask calls that are true (precision)")


def _draw_curve(points: Sequence[Sequence[float]], label: str, across: str, up: str, *, diagonal: bool = False) -> str:
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(4.2, 3.6), layout="constrained")
        axes = picture.subplots()
        if diagonal:
            axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle="--")
        axes.plot([x for x, _ in points], [y for _, y in points], color=MASK, label=label, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=across, ylabel=up)
        axes.legend(loc="lower center")
        return _to_svg(picture, f"{up} against {across}")


def draw_reliability(rows: Sequence[Mapping[str, float]], label: str) -> str:
    """Return the share that is right against the confidence it was told with, and how many faces had it."""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(4.2, 4.6), layout="constrained")
        upper, lower = picture.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        upper.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle="--", label="means what it says")
        for row in rows:
            solid = 0.3 if row["of"] < TOO_FEW else 1.0
            upper.plot((row["confidence"],) * 2, (row["low"], row["high"]), color=MASK, alpha=solid)
            upper.plot(row["confidence"], row["right"], color=MASK, marker="o", alpha=solid, clip_on=False)
        upper.plot((), (), color=MASK, marker="o", label=label)
        upper.set(ylim=(0, 1.02), ylabel=f"right (pale: under {TOO_FEW} faces)")
        upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=9)
        confidence = [row["confidence"] for row in rows]
        lower.bar(confidence, [row["of"] for row in rows], width=0.05, color=MASK)
        lower.set(xlim=(0.3, 1.02), yscale="log", xlabel="confidence", ylabel="faces")
        return _to_svg(picture, "reliability of the confidence")


def draw_abstention(rows: Sequence[Table], chosen: float | None) -> str:
    """Return the error that remains against the share that is judged; the model's own threshold is marked."""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(4.2, 3.6), layout="constrained")
        axes = picture.subplots()
        shown = [row for row in rows if row["error"]["value"] is not None]
        across = [row["coverage"]["value"] for row in shown]
        axes.fill_between(
            across,
            [row["error"]["low"] for row in shown],
            [row["error"]["high"] for row in shown],
            color=MASK,
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(across, [row["error"]["value"] for row in shown], color=MASK, marker="o", markersize=4)
        for row in shown:
            if chosen is not None and abs(row["unknown_below"] - chosen) < 1e-6:
                place = (row["coverage"]["value"], row["error"]["value"])
                axes.plot(*place, color=NO_MASK, marker="o", markersize=9, label=f"unknown under {chosen:g}")
                axes.legend(loc="upper left")
        axes.set(xlabel="found faces that are judged", ylabel="wrong among them", ylim=(0, None))
        return _to_svg(picture, "error against coverage")


def draw_intervals(rows: Sequence[tuple[str, Mapping[str, Any]]], across: str) -> str:
    """Return figures with their intervals, one a row, those without a value left out; "" if none is left."""
    shown = [(name, figure) for name, figure in rows if figure["value"] is not None]
    if not shown:
        return ""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(9, 0.8 + ROW * len(shown)), layout="constrained")
        axes = picture.subplots()
        for place, (_, figure) in enumerate(shown):
            axes.plot((figure["low"], figure["high"]), (place, place), color=MASK, solid_capstyle="round")
            axes.plot(figure["value"], place, color=MASK, marker="o", markersize=7, clip_on=False)
            text = f"{figure['value']:.3f} of {figure['of']}"
            axes.text(1.02, place, text, transform=_rows_of(axes), va="center", fontsize=9, color=MUTED)
        lowest = min(figure["low"] for _, figure in shown)
        axes.set(yticks=range(len(shown)), yticklabels=[name for name, _ in shown], xlabel=across)
        axes.set(xlim=(max(0.0, lowest - 0.05) if lowest < 0.9 else 0.85, 1.003), ylim=(len(shown) - 0.5, -0.5))
        axes.grid(visible=False, axis="y")
        return _to_svg(picture, across)


def _rows_of(axes: Axes) -> Any:  # matplotlib's transforms carry no types
    """Return coordinates that are shares of the width, and rows."""
    return axes.get_yaxis_transform()


def _to_svg(picture: Figure, title: str) -> str:
    """Return a picture as an SVG element with the page's colours and fonts."""
    text = io.StringIO()
    # The salt makes equal plots equal, and the ids of different ones different: they share one page.
    with mpl.rc_context({"svg.hashsalt": title}):
        picture.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r"font-family: [^;\"]*", "font-family: inherit", svg)
    svg = re.sub(r' id="([^"]+)"', lambda found: found.group() if f"#{found.group(1)}" in svg else "", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
