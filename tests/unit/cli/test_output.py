"""What the command line prints is harmless on a terminal and in a spreadsheet."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.cli import options, output


@given(st.text(max_size=80), st.integers(4, 60))
def test_a_cell_is_exactly_as_wide_as_asked_and_cannot_act(text, columns):
    cell = output.fit(output.harmless(text), columns)
    assert output.width(cell) == columns
    assert "\x1b" not in cell
    assert "\u202e" not in cell


def test_chinese_takes_two_columns():
    assert output.width("显存不足") == 8


def test_a_formula_from_a_log_stays_text_in_a_spreadsheet(capsys):
    output.show([{"message": '=HYPERLINK("http://evil")', "n": -1}], "csv")
    assert capsys.readouterr().out.splitlines() == ["message,n", '"\'=HYPERLINK(""http://evil"")",-1']


def test_programs_get_json(capsys):
    rows = [{"message": "显存不足", "n": 1}]
    output.show(rows, "json")
    assert json.loads(capsys.readouterr().out) == rows
    output.show(rows, "ndjson")
    assert capsys.readouterr().out == '{"message": "显存不足", "n": 1}\n'


def test_a_table_of_nothing_is_nothing(capsys):
    output.show([], "table")
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("written", "asked"),
    [("24h", "now-24h"), ("7d", "now-7d"), ("2026-11-22", "2026-11-22"), ("now-1h", "now-1h"), (None, None)],
)
def test_an_age_is_a_time_before_now(written, asked):
    assert options.moment(written) == asked
