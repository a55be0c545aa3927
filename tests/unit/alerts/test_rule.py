"""A rule as the configuration writes it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from safelight.alerts.rule import Rule


def test_a_rule_needs_an_id_and_a_when_only():
    rule = Rule.model_validate({"id": "any-error", "when": "any level:ERROR"})
    assert (rule.severity, rule.repeat, rule.resolve_after, rule.enabled) == (
        2,
        timedelta(minutes=5),
        timedelta(minutes=10),
        True,
    )


def test_a_rule_writes_itself_as_it_is_configured():
    rule = Rule.model_validate({"id": "r", "when": "any  level:ERROR", "repeat": "90s"})
    written = rule.model_dump(mode="json", exclude_unset=True)
    assert written == {"id": "r", "when": "any level:ERROR", "repeat": "1m30s"}
    assert Rule.model_validate(written) == rule


def test_the_form_of_a_rule_is_described():
    properties = Rule.model_json_schema()["properties"]
    assert properties["when"]["type"] == properties["repeat"]["type"] == "string"


@pytest.mark.parametrize(
    "wrong",
    [
        {"when": "15% of all"},
        {"when": 7},
        {"severity": 4},
        {"repeat": "often"},
        {"repeat": "0s"},
        {"colour": "red"},
        {"id": "with space"},
        {"id": ""},
    ],
)
def test_a_mistake_is_refused(wrong):
    with pytest.raises(ValidationError):
        Rule.model_validate({"id": "r", "when": "any level:ERROR", **wrong})


def test_a_mistake_in_when_shows_the_place():
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({"id": "r", "when": "any level:LOUD"})
    said = caught.value.errors()[0]["msg"]
    line, caret = said.splitlines()[-2:]
    assert line == "any level:LOUD"
    assert caret.strip() == "^"


def test_a_rule_may_say_when_it_is_over_and_how_long_it_must_last():
    fields = {
        "id": "r",
        "when": "failure rate > 15% over 15m, at least 20 runs",
        "clear": "failure rate < 8% over 15m",
        "for": "2m",
    }
    rule = Rule.model_validate(fields)
    assert rule.model_dump(mode="json", exclude_unset=True, by_alias=True) == fields


def test_a_clear_that_is_no_other_figure_of_when_is_refused_at_its_field():
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({"id": "r", "when": "failure rate > 15% over 15m", "clear": "any level:ERROR"})
    (mistake,) = caught.value.errors()
    assert (mistake["loc"], mistake["type"]) == (("clear",), "clear")
    assert "failure rate < 8% over 15m" in mistake["msg"]


def test_a_mistake_in_when_is_not_told_twice_because_of_clear():
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({"id": "r", "when": "failure rate", "clear": "failure rate < 8% over 15m"})
    assert [mistake["loc"] for mistake in caught.value.errors()] == [("when",)]
