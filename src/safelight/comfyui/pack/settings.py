"""What the installer and the environment say: `settings.json` beside this file, overruled by `SAFELIGHT_...`.

A file that is missing, damaged or of another shape counts as empty: ComfyUI starts in any case.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FILE = "settings.json"
_NO = frozenset({"0", "false", "no", "off"})


class Settings:
    """`instance`: this ComfyUI's name; `spool`: the folder to write to; `url`: Safelight's page; `prompt_preview`:
    whether the beginning of prompt texts may be written down (None, None, None and True when nobody says).
    """

    __slots__ = ("instance", "prompt_preview", "spool", "url")

    def __init__(
        self,
        instance: str | None = None,
        spool: str | None = None,
        url: str | None = None,
        *,
        prompt_preview: bool = True,
    ) -> None:
        self.instance = instance
        self.spool = spool
        self.url = url
        self.prompt_preview = prompt_preview


def load(folder: str | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the pack in `folder` (by default this one)."""
    said = _read(os.path.join(folder or os.path.dirname(os.path.abspath(__file__)), FILE))
    preview = environment.get("SAFELIGHT_PROMPT_PREVIEW", "").strip().lower()
    return Settings(
        environment.get("SAFELIGHT_INSTANCE") or _text(said, "instance"),
        environment.get("SAFELIGHT_SPOOL") or _text(said, "spool"),
        _page(environment.get("SAFELIGHT_URL")) or _page(_text(said, "url")),
        prompt_preview=preview not in _NO if preview else said.get("prompt_preview") is not False,
    )


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            said = json.load(file)
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _text(said: dict[str, Any], name: str) -> str | None:
    value = said.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _page(url: str | None) -> str | None:
    """`url` if a page may link to it: a `javascript:` address in a settings file must not become one."""
    return url if url and url.startswith(("http://", "https://")) else None
