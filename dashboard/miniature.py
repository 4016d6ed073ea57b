"""Makes a JPEG smaller, once for all who look at it."""

from __future__ import annotations

import cv2
import numpy as np

QUALITY = 75


def make_smaller(jpeg: bytes, width: int) -> bytes:
    """Return the JPEG at most `width` pixels wide, in its shape; as it is where it does not decode or is small."""
    data = np.frombuffer(jpeg, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None or image.shape[1] <= width:
        return jpeg
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    smaller = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return encoded.tobytes() if done else jpeg
