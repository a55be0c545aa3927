"""Everything a person reads exists in every language, with the same placeholders."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from safelight.locales import ENGLISH, LANGUAGES, catalogue, nearest, text

SRC = Path(__file__).parents[2] / "src" / "safelight"


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != ENGLISH])
def test_a_language_has_every_key_with_the_same_placeholders(language):
    english, other = catalogue(ENGLISH), catalogue(language)
    assert set(english) == set(other)
    differing = [key for key in english if placeholders(english[key]) != placeholders(other[key])]
    assert not differing


def test_every_error_is_raised_with_a_key_of_the_catalogue():
    raised = re.compile(
        r"(?:Error|Retryable|QueryTooCostly|StoreLocked|StoreFull|StoreCorrupt|words?|text)\(\s*\"([a-z]+\.[a-z_.]+)\""
    )
    known = catalogue(ENGLISH)
    unknown = {
        (path.name, key)
        for path in SRC.rglob("*.py")
        for key in raised.findall(path.read_text(encoding="utf-8"))
        if key not in known
    }
    assert not unknown


def test_every_chinese_locale_gets_chinese():
    assert {nearest(wanted) for wanted in ("zh", "zh_CN.UTF-8", "zh-Hans", "ZH-TW")} == {"zh-CN"}
    assert {nearest(wanted) for wanted in (None, "", "C", "de_DE")} == {"en"}


def test_a_key_nobody_wrote_is_our_mistake():
    with pytest.raises(KeyError):
        text("no.such.key")
