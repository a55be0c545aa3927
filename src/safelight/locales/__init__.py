"""What people read, in their language. One catalogue serves the server, the command line and the page.

A catalogue is a flat JSON object, `{"room.what": "sentence with {placeholders}"}`, one file a language. English is
complete by definition; `tests/unit/test_locales.py` fails when another language lacks a key or a placeholder.
"""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.resources import files

ENGLISH = "en"
LANGUAGES = (ENGLISH, "zh-CN")


@cache
def catalogue(language: str) -> dict[str, str]:
    """All sentences of one language, keyed as in `en.json`."""
    text = files(__name__).joinpath(f"{language}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def nearest(wanted: str | None) -> str:
    """The language of ours that serves `wanted` best (`zh`, `zh_CN.UTF-8` and `zh-Hans` are all `zh-CN`)."""
    return "zh-CN" if (wanted or "").lower().startswith("zh") else ENGLISH


def of_terminal() -> str:
    """The language of whoever sits at this terminal, from `SAFELIGHT_LANGUAGE` or the usual locale variables."""
    names = ("SAFELIGHT_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    return nearest(next((value for name in names if (value := os.environ.get(name))), None))


def text(key: str, language: str = ENGLISH, /, **values: object) -> str:
    """The sentence behind `key`, its placeholders filled.

    Raises KeyError for a key that no catalogue has: a mistake of ours that a test finds, never of a user.
    """
    sentence = catalogue(language).get(key) or catalogue(ENGLISH)[key]
    return sentence.format(**values) if values else sentence
