"""Levels as loggers of every kind write them."""

from __future__ import annotations

import pytest

from safelight.event import ALIASES, FIELDS, level_of


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("error", "ERROR"), ("Warn", "WARNING"), ("fatal", "CRITICAL"), (" info ", "INFO"), ("trace", "DEBUG"),
        (10, "DEBUG"), (20, "INFO"), (30, "WARNING"), ("40", "ERROR"), (50, "CRITICAL"),
        (0, "CRITICAL"), (3, "ERROR"), (4, "WARNING"), (6, "INFO"), (7, "DEBUG"),
        (9, "INFO"), (13, "WARNING"), (17, "ERROR"), (21, "CRITICAL"), (24, "CRITICAL"), (8, "DEBUG"),
    ],
)  # fmt: skip
def test_a_level_is_understood_as_its_logger_means_it(written, meant):
    assert level_of(written) == meant


@pytest.mark.parametrize("nonsense", ["", "loud", "²", "9" * 5000, True, None, -1, 25, 1000, [], {}])
def test_what_is_no_level_is_none(nonsense):
    assert level_of(nonsense) is None


def test_every_alias_leads_to_a_field():
    assert set(ALIASES.values()) <= set(FIELDS)
    assert not set(ALIASES) & set(FIELDS)
