"""Prints what the rule makes of each shared clip, against its ground truth.

    python -m tests.bench.clips [--rules FILE] [--variants] [--fresh] [FOLDER]

FOLDER holds the clips with their ground_truth.yaml (../shared/videos if left out). Judging takes a minute or two, so
what the models saw is kept in the system's folder for temporary files, by clip, models and settings; `--fresh` judges
all twice instead, and compares. `--variants` also plays clips at other rates, from other first pictures, and with
pictures missing. Ends with 1 if a clip is not as it must be under the rule of the settings; what the rule makes of them
with `incorrect: as_no_mask` is printed beside it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from maskwatch.settings import DetectorSettings, Settings
from maskwatch.settings_file import load_settings
from maskwatch.settings_rule import IncorrectPolicy
from tests.clips import OWN, Clips, Score, bare_stretches, load_truth, opened, score
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maskwatch.domain import Observation
    from maskwatch.settings_rule import RuleSettings

CACHE = Path(tempfile.gettempdir()) / "maskwatch-clips"
FAST = 10.0

VARIANTS: dict[str, Callable[[Sequence[Observation]], Sequence[Observation]]] = {
    "10 pictures a second": lambda records: records,
    "5, the other ones": lambda records: records[1::2],
    "3.3": lambda records: records[::3],
    "2": lambda records: records[::5],
    "5, of which 30 % missing": lambda records: _thinned(records[::2], 0.3),
}
"""What is taken of clips judged ten times a second."""


def main() -> None:
    """Judge, play, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT.parent / "shared" / "videos")
    parser.add_argument("--rules", type=Path, help="settings file whose rule and detector to use")
    parser.add_argument("--variants", action="store_true", help="also other rates and missing pictures")
    parser.add_argument("--fresh", action="store_true", help="judge twice, and keep nothing")
    arguments = parser.parse_args()
    settings = (
        load_settings(arguments.rules) if arguments.rules else Settings(detector=DetectorSettings(provider="cpu"))
    )
    clips = Clips(settings.detector, None if arguments.fresh else CACHE)
    truth = load_truth(arguments.folder)
    scores: list[Score] = []
    table = Table(
        "clip", "asked", "right", "opened after truth + rule", "missed", "twice", "wrong", "ids again", box=None
    )
    for name, clip in truth.items():
        path, stretches = arguments.folder / name, bare_stretches(name, clip)
        records = clips.observe(path)
        again = clips.observe(path)
        openings, repeated = (opened(each, settings.rule) for each in (records, again))
        scores.append(score(stretches, records, openings, settings.rule))
        table.add_row(path.stem, *_cells(scores[-1]), "same" if openings == repeated else "OTHERS")
    console = Console(width=None if Console().is_terminal else 150)
    console.print(table)
    own = (f"{', '.join(f'{name} {value}' for name, value in each.items())} at {clip}" for clip, each in OWN.items())
    console.print(f"settings of their own: {'; '.join(own)}")
    small = [f"{each.who} ({name})" for name, row in zip(truth, scores, strict=True) for each in row.too_small]
    console.print(f"not asked, as their faces are too small: {', '.join(small) or 'nobody'}")
    console.print(_sum(scores))
    strict = settings.rule.model_copy(update={"incorrect": IncorrectPolicy.AS_NO_MASK})
    console.print(f"where a mask worn wrongly counts as none: {_sum(_scores(clips, arguments.folder, strict))}")
    if arguments.variants:
        _print_variants(console, clips, arguments.folder, settings.rule)
    sys.exit(0 if all(each.is_right for each in scores) else 1)


def _scores(clips: Clips, folder: Path, rule: RuleSettings) -> list[Score]:
    scores = []
    for name, clip in load_truth(folder).items():
        records = clips.observe(folder / name)
        scores.append(score(bare_stretches(name, clip), records, opened(records, rule), rule))
    return scores


def _print_variants(console: Console, clips: Clips, folder: Path, rule: RuleSettings) -> None:
    truth = load_truth(folder)
    fast = {name: clips.observe(folder / name, FAST) for name in truth}
    for variant, taken in VARIANTS.items():
        scores = []
        for name, clip in truth.items():
            records = taken(fast[name])
            scores.append(score(bare_stretches(name, clip), records, opened(records, rule), rule))
        console.print(f"{variant}: {_sum(scores)}")


def _thinned(records: Sequence[Observation], share: float) -> list[Observation]:
    chance = random.Random(1)
    return [each for index, each in enumerate(records) if index == 0 or chance.random() >= share]


def _cells(row: Score) -> list[str]:
    right = len(row.asked) - len(row.missed) - len(row.doubled)
    errors = ", ".join(f"{who} {error:+.1f} s" for who, error in row.errors_s.items())
    wrong = ", ".join(f"at {each.opened_at % 1000:.1f} s" for each in row.wrong)
    return [str(len(row.asked)), str(right), errors, ", ".join(row.missed), ", ".join(row.doubled), wrong]


def _sum(scores: Sequence[Score]) -> str:
    asked, missed = (
        sum(len(part) for part in parts) for parts in zip(*((s.asked, s.missed) for s in scores), strict=True)
    )
    errors = [error for each in scores for error in each.errors_s.values()]
    doubled, wrong = sum(len(each.doubled) for each in scores), sum(len(each.wrong) for each in scores)
    spread = f"{min(errors):+.1f} to {max(errors):+.1f} s" if errors else "-"
    return f"people asked {asked}, missed {missed}, twice {doubled}, wrong {wrong}; opened {spread} after truth + rule"


if __name__ == "__main__":
    main()
