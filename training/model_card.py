"""Write the model card: what the models are for, what they were made of, what they can do, and what they cannot.

    python -m training.model_card --report detector/models/mask_mobilenetv2.report.json --figures training/results \
        -o docs/model-card.md

Every figure comes from the JSON of a command of this project; a part whose file is missing says so instead.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.pipeline import STILL_SIDES
from maskwatch.model_contract import MASK_CLASSES
from training import leanings
from training.card_words import DATA, FAILURES, PURPOSE
from training.lean import LESS
from training.sizes import FIGURES
from training.targets import TARGETS, WRONG_RUN, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Report = Mapping[str, Any]


def card(parts: Mapping[str, Report | None], reproduce: Sequence[str]) -> str:
    """Return the page.

    Args:
        parts: by name, each the JSON of one command, or None where it was not run: `report` (maskwatch evaluate),
            `run` (run.json), `corrected` (`report` with training/labels/dev-test.csv), `distinct` (`report` with
            --distinct), `sizes`, `faces` (training.face_recall), `faces tuned` (the same of training.train_faces'
            model), `faces tiled` (the same with --tiles), `leanings`, `robustness`, `clips`, `seed`, and
            `without <source>`.
        reproduce: commands that make all of it, in order.
    """
    report = parts["report"]
    if report is None:
        raise ValueError("a model card needs at least the report of `maskwatch evaluate`")
    model = report["model"]
    begin = (
        f"# Model card: {model['name']}\n\nWritten by `python -m training.model_card`; do not edit. The file is "
        f"`{model['file']}`, {model['bytes']} bytes, sha256 `{model['sha256']}`.\n"
    )
    without = {name.removeprefix("without "): each for name, each in parts.items() if name.startswith("without ")}
    sections = [
        begin,
        PURPOSE,
        DATA,
        _targets(parts),
        _figures(report),
        _calibration(report),
        _left_out(without),
        _leanings(parts.get("leanings")),
        _clips(parts.get("clips")),
        _seed(parts.get("seed")),
        _slices(report),
        _robustness(parts.get("robustness")),
        _faces(parts.get("faces"), parts.get("faces tuned"), parts.get("faces tiled")),
        _sizes(parts.get("sizes")),
        _cost(report),
        FAILURES,
        _reproduce(parts.get("run"), reproduce),
    ]
    return "\n".join(sections)


def _targets(parts: Mapping[str, Report | None]) -> str:
    lines = [
        "## What was wanted, and what came of it\n",
        "| figure | wanted | measured | 95 % | faces | reached |\n|---|---|---|---|---|---|",
    ]
    for target in TARGETS:
        sign = "at most" if target.is_most else "at least"
        lines.append(f"| {target.words} | {sign} {target.wanted:g} | {_reached(target, parts.get(target.part))} |")
    return "\n".join(lines) + "\n"


def _reached(target: Target, part: Report | None) -> str:
    figure = target.figure(part)
    if figure["value"] is None:
        return "not measured | - | - | -"
    return f"{_cells(figure)} | {'yes' if target.is_reached(figure['value']) else 'no'}"


def _figures(report: Report) -> str:
    data = report["data"]
    lines = [
        (
            f"## Figures\n\nOn {data['name']}, split {data['split']}: {data['pictures']} pictures, {data['faces']} "
            f"faces of {data['min_face_px']:g} px and more; end to end, as `maskwatch image` does: a face counts "
            "when it is found (IoU above 0.35) and given the right state. 95 % intervals, the wider of Wilson's and "
            "a bootstrap over groups. Found and right are the boxed faces of the scenes, the AUROC is of all sources.\n"
        ),
        "| figure | value | 95 % | faces |\n|---|---|---|---|",
    ]
    lines += [f"| {name} | {_cells(each)} |" for name, each in report["agreed"].items()]
    lines += ["\nWhat was told of whom:\n", "| part | truth | found | " + " | ".join(_told(report)) + " |"]
    lines.append("|---|---|---|" + "---|" * len(_told(report)))
    for part, states in report["states"].items():
        for truth, row in states.items():
            told = " | ".join(str(row["told"][name]) for name in _told(report))
            lines.append(f"| {part} | {truth} | {row['found']['value']:.1%} of {row['faces']} | {told} |")
    return "\n".join(lines) + "\n"


def _told(report: Report) -> list[str]:
    states = next(iter(report["states"].values()))
    return list(next(iter(states.values()))["told"])


def _calibration(report: Report) -> str:
    lines = [
        "## Does the probability mean what it says?\n",
        f"Expected calibration error on the found faces: {_short(report['classifier']['calibration error'])}.\n",
        "What `unknown` costs:\n",
        "| unknown below | judged | wrong of judged |\n|---|---|---|",
    ]
    lines += [
        f"| {row['unknown_below']:.2f} | {row['coverage']['value']:.1%} | {row['error']['value']:.1%} |"
        for row in report["abstention"]
    ]
    return "\n".join(lines) + "\n"


def _left_out(without: Mapping[str, Report | None]) -> str:
    known = {name: each for name, each in without.items() if each is not None}
    if not known:
        return "## On sources it never saw\n\nNot measured for this card.\n"
    figures = list(next(iter(known.values()))["agreed"])
    lines = [
        (
            "## On sources it never saw\n\nOne run of the recipe, as it was at that revision, without a source, tested "
            "on all of it:\n"
        ),
        "| without | faces | " + " | ".join(figures) + " | revision |",
        "|---|---|" + "---|" * (len(figures) + 1),
    ]
    for name, each in known.items():
        cells = " | ".join(_short(each["agreed"].get(figure)) for figure in figures)
        lines.append(f"| {name} | {each['data']['faces']} | {cells} | `{each['revision']}` |")
    return "\n".join(lines) + "\n"


def _leanings(measured: Report | None) -> str:
    if measured is None:
        return "## How far runs differ\n\nNot measured for this card.\n"
    lines = [
        "## How far runs differ, and how far the model leans\n",
        (
            "Runs of one recipe that differ in their seed alone, found and right on all of a source that none of them "
            "learned, before int8 (`python -m training.leanings`): their mean, and between which they lie. A row adds "
            f"constants to the logits of two states; the shipped model adds {-LESS:+g} to incorrect."
        ),
    ]
    for table in measured["tables"]:
        seeds = ", ".join(map(str, table["seeds"]))
        lines.append(f"\nWithout {', '.join(table['sources'])}, seeds {seeds}:\n\n{leanings.as_markdown(table)}")
    return "\n".join(lines) + "\n"


def _clips(clips: Report | None) -> str:
    if clips is None:
        return "## On film\n\nNot measured for this card.\n"
    lines = [
        (
            "## On film\n\nTwelve clips that it never saw, faces of 14 pixels and more with known truth, single "
            "pictures without the service's memory (a camera's `min_face_px` is 24 unless it is set):\n"
        ),
        "| clip | faces | right | judged | longest wrong no_mask |\n|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['faces']} | {_short(row['right'])} | {_short(row['judged'])} | {_seconds(row)} |"
        for name, row in [*clips["clips"].items(), ("**all**", clips["all"])]
    ]
    return "\n".join(lines) + "\n"


def _seed(seed: Report | None) -> str:
    if seed is None:
        return ""
    lines = [
        "## Beside the tutorial this grew out of\n",
        (
            f"Its recipe gives {seed['accuracy']:.1%} on its own {seed['test_pictures']} test pictures, of which "
            f"{seed['doubles']['of_the_same_class']} have a double of their class among its training pictures. "
            "The same model elsewhere, on faces of 32 px and more:\n"
        ),
        "| data | truth | right |\n|---|---|---|",
    ]
    for other in seed["elsewhere"]:
        for truth, row in other["right_by_class"].items():
            lines.append(
                f"| {other['data']} | {truth} | {row['right'] / row['of']:.1%} of {row['of']} "
                f"[{row['low']:.1%}, {row['high']:.1%}] |"
            )
    return "\n".join(lines) + "\n"


def _slices(report: Report) -> str:
    lines = ["## Slices\n", "| slice | value | found and right | faces |\n|---|---|---|---|"]
    for row in report["slices"]:
        few = " (too few)" if row.get("too few") else ""
        lines.append(f"| {row['kind']} | {row['slice']} | {_short(row['found and right'])}{few} | {row['faces']} |")
    return "\n".join(lines) + "\n"


def _robustness(robustness: Report | None) -> str:
    if robustness is None:
        return "## In other light\n\nNot measured for this card.\n"
    states = list(next(iter(robustness["changes"].values())))
    lines = [
        (
            f"## In other light\n\nThe found faces of {_where(robustness)} once more, all changed one way each "
            "(`python -m training.robustness`); the most probable state, without abstaining:\n"
        ),
        "| the same faces | " + " | ".join(states) + " |\n|---|" + "---|" * len(states),
    ]
    for name, row in robustness["changes"].items():
        cells = " | ".join(map(_short, row.values()))
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines) + "\n"


def _faces(faces: Report | None, tuned: Report | None, tiled: Report | None) -> str:
    if faces is None:
        return "## The face detector's share\n\nNot measured for this card.\n"
    lines = [
        (
            f"## The face detector's share\n\n{faces['face']} on {faces['split']}, faces of 32 px and more. A face "
            "that is not found is in no compliance rate, and masked ones are missed more often: the rate is a little "
            "too low. The service shows how many of the people in view it could judge as coverage.\n"
        ),
        *_searches(faces, faces["searches"], ("0.3", "0.4", "0.5", "0.6")),
    ]
    if tiled is not None:
        lines += [
            (
                f"\nThe same pictures, {tiled['tiles'] ** 2} laid out as one, are what a large photograph shows: faces "
                "of the same pixels in a picture many times as wide (`python -m training.face_recall --tiles "
                f"{tiled['tiles']}`). `still` is how `maskwatch image` searches: at several sizes, up to "
                f"{STILL_SIDES[-1]}.\n"
            ),
            *_searches(tiled, tiled["searches"], ("0.4",)),
        ]
    if tuned is not None:
        lines += [
            (
                f"\nTried and not kept: {tuned['face']}, the same network fine-tuned on the training split "
                "(`python -m training.train_faces`), which is surer of everything: compare rows with as many finds "
                "that no label explains. It finds more of the small faces, and from 640 px on fewer of the large "
                "ones.\n"
            ),
            *_searches(tuned, faces["searches"], ("0.4", "0.5", "0.6", "0.7")),
        ]
    return "\n".join(lines) + "\n"


def _searches(faces: Report, names: Iterable[str], thresholds: Sequence[str]) -> list[str]:
    lines = [
        "| search | score | " + " | ".join(MASK_CLASSES) + " | mask, 24 to 32 px | unexplained a picture |",
        "|---|---|" + "---|" * (len(MASK_CLASSES) + 2),
    ]
    for name in names:
        for threshold in thresholds:
            row = faces["searches"][name][threshold]
            counts = [*(row["recall"][state] for state in MASK_CLASSES), row["by_height"]["24-32"]["mask"]]
            cells = " | ".join(map(_recall, counts))
            lines.append(f"| {name} | {threshold} | {cells} | {row['unexplained_per_picture']:.2f} |")
    return lines


def _sizes(sizes: Any) -> str:
    if not sizes:
        return "## Why this size\n\nNot measured for this card.\n"
    lines = [
        (
            f"## Why this size\n\nOne run of the recipe for each size on {_where(sizes)} "
            "(`python -m training.sizes`), before leaning; processor time for one face on one thread of a shared "
            "machine with 2 x86-64 cores.\n"
        ),
        "| input | width | precision | " + " | ".join(FIGURES) + " | ms | MB |",
        "|---|---|---|" + "---|" * (len(FIGURES) + 2),
    ]
    for row in sizes["rows"]:
        cells = " | ".join(_short(row["figures"][name]) for name in FIGURES)
        lines.append(
            f"| {row['size']} px | {row['width']:g} | {row['precision']} | {cells} | {row['ms']:.2f} | "
            f"{row['content'] / 1e6:.1f} |"
        )
    lines.append(
        "\nNo ImageNet weights of a narrower MobileNetV2 were at hand: widths under 1 started from the strongest "
        "channels of the full one (`python -m training.narrow`). Weights of their own may do better."
    )
    return "\n".join(lines) + "\n"


def _where(sizes: Report) -> str:
    where = ", ".join((sizes["split"], *sizes["sources"]))
    return f"{where}, which none of these runs learned from" if sizes.get("unseen") else where


def _cost(report: Report) -> str:
    if not report.get("cost"):
        return ""
    lines = [
        "## Cost\n\nOn a shared machine with 2 x86-64 cores; the processor's time is that of all threads.\n",
        "| what | ms | processor ms |\n|---|---|---|",
    ]
    lines += [f"| {name} | {row['ms']:.2f} | {row['processor ms']:.2f} |" for name, row in report["cost"].items()]
    lines.append("\nA model whose probabilities differ from Keras by more than 1e-4 on 600 crops is refused.")
    return "\n".join(lines) + "\n"


def _reproduce(run: Report | None, commands: Sequence[str]) -> str:
    shown = [f"$ {command}" for command in commands]
    lines = ["## How to make it again\n", "`make model` runs all of these but the last:\n", "```console", *shown, "```"]
    if run is not None:
        lines.append(
            f"\nThe training took {run['seconds'] / 60:.0f} minutes on two shared cores, from data with the "
            f"fingerprint `{run['fingerprint']}` and code of revision `{run['revision']}`. The commands "
            "run today's recipe; that revision has the one that made this model."
        )
    return "\n".join(lines) + "\n"


def _cells(figure: Report) -> str:
    return f"{_number(figure['value'])} | {_number(figure['low'])} to {_number(figure['high'])} | {figure['of']}"


def _seconds(row: Report) -> str:
    longest = row[WRONG_RUN]
    return "-" if longest is None else f"{longest:.2f} s"


def _short(figure: Report | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    return f"{_number(figure['value'])} [{_number(figure['low'])}, {_number(figure['high'])}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _recall(one: Report) -> str:
    return f"{one['found'] / one['of']:.1%} of {one['of']}" if one["of"] else "-"


def main(arguments: list[str] | None = None) -> None:
    """Read the parts that are there, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m training.model_card", description=__doc__)
    parser.add_argument("--report", type=Path, required=True, help="of `maskwatch evaluate --output`")
    parser.add_argument("--figures", type=Path, required=True, help="folder with run, sizes, faces, clips, seed .json")
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    parts: dict[str, Any] = {"report": json.loads(chosen.report.read_text())}
    for file in sorted(chosen.figures.glob("*.json")):
        read = json.loads(file.read_text())
        parts[file.stem.replace("-", " ")] = read["clips"] if file.stem == "clips" else read
    commands = (chosen.figures / "commands.txt").read_text().splitlines()
    chosen.output.write_text(card(parts, commands))


if __name__ == "__main__":
    main()
