"""The reference pages say what the code says, in both languages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from safelight.event import FIELDS, Name
from safelight.locales import LANGUAGES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_are_up_to_date(tool, language):
    pages = tool.Pages(language).all()
    folder = tool.folder(language)
    assert {path.name for path in folder.iterdir()} == set(pages)
    stale = [name for name, text in pages.items() if (folder / name).read_text(encoding="utf-8") != text]
    assert not stale, "run: python tools/reference.py"


def test_every_sentence_has_its_chinese_and_every_chinese_its_sentence(tool):
    pages = tool.Pages("zh-CN")
    said = set()
    pages.sentence = lambda english: said.add(" ".join((english or "").split())) or ""
    pages.all()
    known = set(tool.words()["sentences"])
    assert said - {""} - known == set(), "add their Chinese to tools/reference.json"
    assert known - said == set(), "nobody says them any more: remove them from tools/reference.json"


def test_every_field_and_every_event_has_a_meaning(tool):
    assert set(tool.words()["fields"]) == set(FIELDS)
    assert set(tool.words()["names"]) == set(Name)


def test_words_of_the_pages_exist_in_both_languages(tool):
    for group in ("words", "fields", "names"):
        assert all(len(pair) == len(LANGUAGES) and all(pair) for pair in tool.words()[group].values())


@pytest.mark.parametrize("value", [True, 5, 'a "quoted" text\nand a line', ["a", 1], {"a": {"b": [1.5]}}, "显存"])
def test_an_example_is_written_as_toml(tool, value):
    import tomllib

    assert tomllib.loads(f"value = {tool.toml_value(value)}") == {"value": value}
