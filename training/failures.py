"""Draws what the models are known to get wrong: faces by a few lines, as no photograph may be shown.

python -m training.failures -o docs/failures.svg
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

HEAD = '<ellipse cx="60" cy="66" rx="34" ry="44" class="skin"/>'
SIDE_HEAD = (
    '<path d="M78 24 C42 18 30 52 34 62 L24 76 L33 80 L32 92 C34 106 50 110 62 108 L86 96 C98 60 96 32 78 24 Z" '
    'class="skin"/>'
)
EYES = '<circle cx="48" cy="58" r="3.5"/><circle cx="72" cy="58" r="3.5"/>'
NOSE = '<path d="M60 60 L56 76 L64 76" class="line"/>'
MOUTH = '<path d="M50 88 Q60 94 70 88" class="line"/>'
EARS = '<circle cx="26" cy="66" r="6" class="skin"/><circle cx="94" cy="66" r="6" class="skin"/>'


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of face, what it is, and what it is taken for."""

    title: str
    told: str
    drawing: str


FAILURES = (
    Failure(
        "nose just out",
        "called mask, or the other way round: the edge lies within a few pixels",
        HEAD + EARS + EYES + NOSE + '<path d="M30 80 Q60 70 90 80 L84 104 Q60 118 36 104 Z" class="cloth"/>',
    ),
    Failure(
        "masked, from the side",
        "called worn wrong, or not found",
        SIDE_HEAD + '<circle cx="44" cy="58" r="3.5"/><path d="M26 74 L66 80 L58 108 L34 106 Z" class="cloth"/>'
        '<path d="M66 82 L82 62" class="line"/>',
    ),
    Failure(
        "dark mask, cap, glasses",
        "not found: nothing of a face is left to see",
        HEAD
        + '<path d="M24 52 Q60 2 96 52 L104 56 L20 56 Z" class="dark"/><circle cx="47" cy="62" r="10" class="dark"/>'
        '<circle cx="73" cy="62" r="10" class="dark"/>'
        '<path d="M28 78 Q60 70 92 78 L84 104 Q60 118 36 104 Z" class="dark"/>',
    ),
    Failure(
        "a head before the chin",
        "called worn wrong",
        HEAD + EARS + EYES + NOSE + '<path d="M26 128 Q26 84 66 84 Q106 84 106 128 Z" class="dark"/>',
    ),
    Failure(
        "scarf or veil",
        "called mask: cloth over mouth and nose is what a mask is",
        HEAD + EYES + '<path d="M22 72 Q60 62 98 72 L104 128 L16 128 Z" class="cloth"/>',
    ),
    Failure(
        "printed lips on the mask",
        "may be called no mask",
        HEAD + EARS + EYES + '<path d="M30 72 Q60 62 90 72 L84 104 Q60 118 36 104 Z" class="skin"/>' + MOUTH,
    ),
    Failure(
        "coloured light on the cheeks",
        "a bare face may be called mask, in blue light above all",
        HEAD
        + '<path d="M28 80 Q60 68 92 80 L84 104 Q60 118 36 104 Z" class="cloth" opacity="0.45"/>'
        + EARS
        + EYES
        + NOSE
        + MOUTH,
    ),
    Failure(
        "moustache or white beard",
        "may be called worn wrong",
        HEAD + EARS + EYES + NOSE + '<path d="M40 86 Q60 72 80 86 Q60 82 40 86 Z" class="dark"/>' + MOUTH,
    ),
    Failure(
        "back of a head",
        "taken for a face, mostly left unknown",
        HEAD + EARS + '<path d="M26 62 Q28 18 60 18 Q92 18 94 62 Q92 104 60 106 Q28 104 26 62 Z" class="dark"/>',
    ),
    Failure(
        "painting or poster",
        "a face like any other: silenced when it never moves",
        '<rect x="14" y="10" width="92" height="112" class="frame"/>' + HEAD + EYES + NOSE + MOUTH,
    ),
)


def draw(failures: tuple[Failure, ...] = FAILURES) -> str:
    """Return one SVG picture of all of them, four in a row."""
    cells = []
    for place, failure in enumerate(failures):
        x, y = 190 * (place % 4), 190 * (place // 4)
        words = "".join(f'<tspan x="60" dy="12">{line}</tspan>' for line in _lines(failure.told, 34))
        cells.append(
            f'<g transform="translate({x + 35} {y + 8})">{failure.drawing}'
            f'<text x="60" y="142" class="title">{failure.title}</text><text x="60" y="144">{words}</text></g>'
        )
    rows = (len(failures) + 3) // 4
    style = (
        ".skin{fill:#f0cfae;stroke:#555}.cloth{fill:#9cc7e0;stroke:#456}.dark{fill:#333;stroke:#222}"
        ".frame{fill:#e8e2d0;stroke:#8a6d3b;stroke-width:5}.line{fill:none;stroke:#555;stroke-width:2}"
        "text{text-anchor:middle;font-family:sans-serif;font-size:10px;fill:#222}.title{font-weight:bold;font-size:11px}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {190 * rows}" role="img" '
        f'aria-label="Faces the models get wrong"><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(cells)}</svg>\n'
    )


def _lines(text: str, width: int) -> list[str]:
    """Break a sentence into lines of at most so many letters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(prog="python -m training.failures", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.parse_args(arguments).output.write_text(draw())


if __name__ == "__main__":
    main()
