"""Time lines that end with their test."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from support.timeline import Timeline


@pytest.fixture
def timeline(tmp_path):
    with ExitStack() as nights:

        def begin(rules, targets=None, folder="one", **options):
            (tmp_path / folder).mkdir()
            given = {} if targets is None else {"targets": targets}
            night = Timeline(tmp_path / folder, rules, **given, **options)
            nights.callback(night.close)
            return night

        yield begin
