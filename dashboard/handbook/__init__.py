"""Chapters of docs/ that the page shows to whoever stands before it: what an alert means, what the models can do.

The files are links into docs/, so that there is one text; the package carries them as files.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from markdown_it.token import Token

CHAPTERS = {"runbooks": "runbooks.md", "model-card": "model-card.md"}
"""The file of each chapter, by the name in its address."""

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@cache
def chapter(name: str) -> str:
    """Return a chapter as HTML, its headings with anchors; links that leave it are plain words, pictures their caption.

    Args:
        name: one of CHAPTERS.
    """
    text = (Path(__file__).parent / CHAPTERS[name]).read_text()
    tokens = _markdown.parse(text)
    for heading, title in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(title.content))
    for token in tokens:
        if token.type == "inline":
            token.children = _that_stay(token.children or [])
        if token.type == "table_open":
            token.attrSet("tabindex", "0")
    html = str(_markdown.renderer.render(tokens, _markdown.options, {}))
    return html.replace("<pre>", '<pre tabindex="0">')  # what is wide scrolls within itself, also by keyboard


def anchor(title: str) -> str:
    """Return the name of a heading within its chapter.

    >>> anchor("MaskwatchBusDown"), anchor("What it is for")
    ('maskwatchbusdown', 'what-it-is-for')
    """
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-")


def _that_stay(tokens: list[Token]) -> list[Token]:
    """Leave out what the page cannot follow: links to other files, and pictures, of which the caption stays."""
    kept: list[Token] = []
    is_inside = False
    for token in tokens:
        if token.type == "link_open":
            is_inside = str(token.attrGet("href")).startswith("#")
        if token.type in {"link_open", "link_close"} and not is_inside:
            continue
        kept.extend(token.children or [] if token.type == "image" else [token])
    return kept
