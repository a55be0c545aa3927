"""Every example of the reference is run, and what it says of limits and columns is true."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from safelight.event import FIELDS
from safelight.query import filters, parse, sql_guard, sql_rules, stats
from safelight.query.compile import select_stats, where
from safelight.query.sql import Sql

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DOCS = Path(__file__).parents[3] / "docs"
PAGES = {language: (DOCS / language / "query.md").read_text(encoding="utf-8") for language in ("en", "zh")}
EVENT = {
    "timestamp": NOW,
    "node": "KSampler",
    "duration_ms": 5.0,
    "workflow_id": "wf-8a2f1e9b",
    "attributes": '{"sampler":{"steps":30}}',
}


def blocks(kind):
    return [block for page in PAGES.values() for block in re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)]


@pytest.mark.parametrize("text", [line for block in blocks("query") for line in block.strip().split("\n")])
def test_an_example_query_runs(over, text):
    query = parse.parse(text)
    assert parse.parse(str(query)) == query
    condition = where(query.filter, NOW)
    plain = Sql(f"SELECT * FROM events WHERE {condition.text}", condition.parameters)
    over([EVENT])(select_stats(query, NOW) if query.stats else plain)


@pytest.mark.parametrize("text", blocks("sql"))
def test_an_example_of_sql_runs(over, text):
    over([EVENT])(Sql(sql_guard.guard(text)))


@pytest.mark.parametrize(
    "text",
    [
        code.replace(r"\|", "|")
        for page in PAGES.values()
        for row in re.findall(r"^\| (`[^|].*?`) \| [^|]*", page, re.MULTILINE)
        for code in re.findall(r"`([^`]+)`", row)
        if re.search(r"[:*/<>=]|^\S*memory\S*$", code) and "字段" not in code and not code.startswith(("{", "["))
    ],
)
def test_an_example_in_a_table_is_understood(text):
    assert parse.parse(text)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_limits_and_columns_are_those_of_the_program(page):
    assert f"{parse.MAX_BYTES:,}" in page
    assert sql_guard.MAX_BYTES == parse.MAX_BYTES
    assert f"{stats.MAX_ROWS:,}" in page
    assert f"{sql_rules.MAX_SERIES:,}" in page
    assert f"| {filters.MAX_TERMS:,}" in page
    assert f"| {filters.MAX_DEPTH}" in page
    assert f"| {parse.MAX_COLUMNS}" in page
    assert re.findall(r"`(\w+)`", page[page.rindex("\n## ") :]) == list(FIELDS)
    for function in stats.FUNCTIONS:
        assert f"`{function}" in page


def test_both_languages_show_the_same_number_of_examples():
    english, chinese = (page.count("```") for page in PAGES.values())
    assert chinese == english + 2  # one more, about the keys of a Chinese keyboard
