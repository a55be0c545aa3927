"""What the command line prints is harmless on a terminal and in a spreadsheet."""

from __future__ import annotations

import json
import time

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


def test_a_spreadsheet_s_cell_keeps_its_lines_but_cannot_act_on_a_terminal(capsys):
    text = "a\x1b[31m\tb\nc\x07\x9b2J\x7f\u202ed\u2066\r"
    output.show([{"me\x1bssage": text, "more": {"k": "\x9b2J\u202e"}}], "csv")
    assert capsys.readouterr().out == 'message,more\n"a[31m\tb\nc2Jd","{""k"": ""2J""}"\n'


def test_a_formula_behind_a_control_character_stays_text(capsys):
    output.show([{"message": "\x1b=1+1"}], "csv")
    assert capsys.readouterr().out.splitlines()[1] == "'=1+1"


@pytest.fixture
def in_shanghai(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_shanghai")
def test_a_followed_event_has_the_clock_of_this_machine():
    assert output.event_line({"timestamp": "2026-11-22T20:00:01.234567Z"}).startswith("04:00:01.234 ")
    assert output.event_line({"timestamp": "9999-12-31T23:59:59.000000Z"}).startswith("23:59:59.000 ")
    assert "here" in output.event_line({"message": "here"})


def test_an_event_without_a_message_says_its_error_or_its_name():
    failed = {"event": "node_failed", "error_message": "out of memory"}
    assert output.what_happened(failed) == "out of memory"
    assert output.what_happened({"event": "node_started", "message": None}) == "node_started"
    assert output.what_happened({**failed, "message": "said"}) == "said"
