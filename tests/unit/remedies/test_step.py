"""A step of `then` is read as it stands in the file, and every mistake says where it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.alerts.rule import Rule
from safelight.errors import InputError
from safelight.remedies import Often, step, told

WHEN = "any level:ERROR"
THEN = [
    {"free_memory": {}},
    {"restart": {"service": "comfyui", "max": "2 per 1h", "wait_for_health": "2m", "else": "standby"}},
]


def wrong(*steps):
    with pytest.raises(ValidationError) as caught:
        Rule(id="oom", when=WHEN, then=list(steps))
    return caught.value.errors()


def test_the_steps_of_a_rule_become_remedies():
    free, restart = Rule(id="oom", when=WHEN, then=THEN).then
    assert free.kind() == "free_memory"
    assert restart.service == "comfyui"
    assert restart.max == Often(2, timedelta(hours=1))
    assert restart.wait_for_health == timedelta(minutes=2)
    assert restart.otherwise.kind() == "standby"


def test_a_rule_is_written_with_its_steps_as_they_were():
    rule = Rule(id="oom", when=WHEN, then=THEN)
    written = rule.model_dump(mode="json", exclude_unset=True, by_alias=True)
    assert written["then"] == THEN
    assert Rule.model_validate(written) == rule


def test_an_else_may_be_a_table():
    otherwise = {"standby": {"to": "gpu-2"}}
    made = step({"interrupt": {"else": otherwise}})
    assert made.otherwise.to == "gpu-2"
    assert told(made) == {"interrupt": {"else": otherwise}}


def test_a_remedy_that_does_not_exist_is_named_with_those_that_do():
    (mistake,) = wrong({"free_memory": {}}, {"reboot": {}})
    assert mistake["loc"] == ("then", 1)
    error = mistake["ctx"]["error"]
    assert isinstance(error, InputError)
    assert str(error).startswith("There is no remedy reboot; there are command, free_memory, interrupt")


@pytest.mark.parametrize("given", [{}, {"requeue": {}, "interrupt": {}}, 5, ["requeue"]], ids=repr)
def test_a_step_is_one_remedy(given):
    (mistake,) = wrong(given)
    assert mistake["loc"] == ("then", 0)
    assert "A step is a table with one key" in mistake["msg"]


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"service": "x", "most": "2 per 1h"}, ("restart", "most")),
        ({"service": "x", "max": "2"}, ("restart", "max")),
        ({"service": "x", "max": "0 per 1h"}, ("restart", "max")),
        ({"service": "x", "max": "2 per 30"}, ("restart", "max")),
        ({"service": "x", "cool_down": 30}, ("restart", "cool_down")),
        ({"service": "x", "url": "gpu-1"}, ("restart", "url")),
        ({"service": "x", "else": "reboot"}, ("restart", "else")),
        ({"service": "x", "else": {"standby": {"too": "gpu-2"}}}, ("restart", "else", "standby", "too")),
        ({}, ("restart",)),
        ({"service": "x", "container": "y"}, ("restart",)),
        ({"start": "python 'main.py"}, ("restart",)),
        ({"command": []}, ("restart", "command")),
    ],
    ids=repr,
)
def test_a_mistake_within_a_remedy_has_the_path_of_its_key(settings, place):
    (mistake,) = wrong({"restart": settings})
    assert mistake["loc"] == ("then", 0, *place)


def test_what_is_no_table_is_no_remedy():
    (mistake,) = wrong({"restart": 5})
    assert mistake["loc"] == ("then", 0, "restart")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 999), st.integers(1, 10_000_000))
def test_a_frequency_reads_as_it_is_written(times, milliseconds):
    often = Often(times, timedelta(milliseconds=milliseconds))
    assert step({"requeue": {"max": str(often)}}).max == often


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.text(max_size=9), lambda inner: st.dictionaries(st.text(), inner)))
def test_whatever_stands_there_is_read_or_refused_with_a_sentence(given):
    try:
        Rule(id="oom", when=WHEN, then=[given])
    except ValidationError as error:
        mistakes = error.errors()
    else:
        mistakes = [{"msg": "none"}]
    assert all(one["msg"] for one in mistakes)
