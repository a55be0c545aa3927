"""Whatever an event or a document says, reading it raises nothing."""

from __future__ import annotations

import json
from math import isnan

import pytest

from safelight.answers.runs.reading import document, number, time_of
from safelight.rows import dump


@pytest.mark.parametrize("value", [True, "7", None, float("nan"), float("inf"), 10**400], ids=lambda v: str(v)[:5])
def test_what_is_no_finite_number_is_none(value):
    assert number(value) is None


def test_a_document_with_nan_is_read():
    assert isnan(document('{"a":NaN}')["a"])


@pytest.mark.parametrize("written", [None, "", "{", "[" * 100_000], ids=["none", "empty", "cut", "deep"])
def test_a_document_that_is_none_or_broken_is_none(written):
    assert document(written) is None


def test_an_answer_is_valid_json_whatever_a_document_holds():
    held = {"\ud800": [float("nan"), "a\udfff", {"b": 1}]}
    assert json.loads(dump(held)) == {"?": [None, "a?", {"b": 1}]}


@pytest.mark.parametrize("written", [None, "", "soon", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_is_none_or_beyond_the_calendar_is_none(written):
    assert time_of(written) is None
