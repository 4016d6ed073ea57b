"""Draws what was seen into a picture, for people. Colour is never alone: each box also says its state in words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import cv2

from maskwatch.domain import MaskState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maskwatch.domain import Detection, Image

COLOURS = {
    MaskState.MASK: (80, 160, 30),
    MaskState.NO_MASK: (40, 40, 215),
    MaskState.INCORRECT: (0, 130, 240),
    MaskState.UNKNOWN: (120, 120, 120),
}
"""By state, BGR: green, red, orange, grey; white text is readable on each."""

WORDS = {
    MaskState.MASK: "Mask",
    MaskState.NO_MASK: "No mask",
    MaskState.INCORRECT: "Worn wrong",
    MaskState.UNKNOWN: "Cannot tell",
}


def caption(detection: Detection) -> str:
    """Say the state and its percentage, as on the box."""
    share = detection.probabilities.get(detection.state.value)
    return WORDS[detection.state] if share is None else f"{WORDS[detection.state]} {100 * share:.0f}%"


def annotate(image: Image, detections: Sequence[Detection]) -> Image:
    """Return a copy of the picture with a labelled box around each face, the words no larger than the face bears.

    Args:
        image: H x W x 3, uint8, BGR.
        detections: boxes in pixels of `image`.
    """
    drawn = image.copy()
    height, width = drawn.shape[:2]
    for detection in sorted(detections, key=lambda each: each.box[0] - each.box[2]):  # small ones over large ones
        colour = COLOURS[detection.state]
        left, top, right, bottom = (round(value) for value in detection.box)
        thickness = max(1, round(min(max(height, width) / 500, (right - left) / 25)))
        scale = max(0.4, min(max(height, width) / 1600, (right - left) / 100))
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, thickness)
        text = caption(detection)
        (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        label_left = max(0, min(left, width - text_width - 6))
        label_top = (
            top - text_height - below - 4 if top - text_height - below - 4 >= 0 else min(bottom, height - text_height)
        )
        corner = (label_left + text_width + 6, label_top + text_height + below + 4)
        cv2.rectangle(drawn, (label_left, label_top), corner, colour, cv2.FILLED)
        origin = (label_left + 3, label_top + text_height + 2)
        cv2.putText(drawn, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return drawn


def has_screen(environment: Mapping[str, str]) -> bool:
    """Whether a window can be shown here, by this process's environment variables."""
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") or os.name == "nt") and hasattr(
        cv2, "imshow"
    )


def show(title: str, image: Image, *, wait_ms: int) -> bool:
    """Show a picture in a window; returns False when the person pressed q or Escape, or closed it.

    Args:
        title: names the window; the same title reuses it.
        image: H x W x 3, uint8, BGR.
        wait_ms: how long to wait for a key; 0 waits for ever.
    """
    cv2.imshow(title, image)
    key = cv2.waitKey(wait_ms) & 0xFF
    return key not in {ord("q"), 27} and cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
