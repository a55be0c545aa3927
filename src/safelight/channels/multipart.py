"""A form with a picture in it, the same bytes for the same content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import httpx


def form(
    url: httpx.URL | str, values: Mapping[str, str], name: str, picture: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Request:
    """POST of `values` and, as the file `chart.png` under `name`, the PNG `picture` (RFC 7578)."""
    # Drawn from the content: a random boundary would make two attempts differ.
    boundary = hashlib.sha256(picture + repr(sorted(values.items())).encode()).hexdigest()[:32]
    return httpx.Request(
        "POST",
        url,
        data=dict(values),
        files={name: ("chart.png", picture, "image/png")},
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}", **(headers or {})},
    )
