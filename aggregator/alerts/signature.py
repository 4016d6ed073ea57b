"""Signs webhooks as Standard Webhooks says, so that receivers find a library for it in their language.

Signed is `id.timestamp.body` with HMAC-SHA256; the signature stands as `v1,` and base64. The key is the secret's own
bytes, or what `whsec_` and base64 stand for. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

PREFIX = "whsec_"


def signed_headers(secret: str, key: str, at: float, body: bytes) -> dict[str, str]:
    """Return the headers that say which message this is and who sent it when.

    >>> signed_headers("whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "msg-1", 1_700_000_000, b"{}")["webhook-signature"]
    'v1,djeRaDeGO4TA9uJyLhmF7qwfLn6ZMb7w2a0iefbTIbk='
    """
    timestamp = f"{at:.0f}"
    headers = {"webhook-id": key, "webhook-timestamp": timestamp, "idempotency-key": key}
    if secret:
        signed = b".".join((key.encode(), timestamp.encode(), body))
        digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        return base64.b64decode(secret.removeprefix(PREFIX))
    return secret.encode()
