from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.config.default_rules import DEFAULT_RULES
from safelight.config.mistyped import notes
from safelight.event import ALIASES, FIELDS
from safelight.query.condition import condition
from safelight.query.mistyped import distance, fields_of, meant


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("sevice", "service"),
        ("serivce", "service"),
        ("Level", "level"),
        ("lvel", "level"),
        ("workflowId", "workflow_id"),
        ("node-id", "node_id"),
        ("durtaion_ms", "duration_ms"),
        ("hsot", "host"),
        ("eror_type", "error_type"),
        ("error_mesage", "error_message"),
        ("instnce", "instance"),
        ("enviroment", "environment"),
    ],
)
def test_a_field_that_was_mistyped_is_recognised(name, field):
    assert meant(name) == field


@pytest.mark.parametrize("name", [*FIELDS, *ALIASES])
def test_a_field_that_there_is_is_none(name):
    assert meant(name) is None


# fmt: off
ATTRIBUTES = (
    "port", "mode", "code", "name", "type", "note", "model", "models", "seed", "steps", "sampler", "scheduler",
    "width", "height", "batch_size", "prompt", "images", "events", "nodes", "sources", "tags", "hosts", "services",
    "error.type", "http.status_code", "http.method", "url.path", "status", "method", "path", "duration", "latency",
    "size", "count", "reason", "rule", "rule_id", "channel", "sink", "sinks", "card", "gpu", "gpu_id", "device",
    "queue_running", "queue_pending", "exit_code", "signal", "container", "image", "pid", "uid", "files", "bytes",
    "region", "zone", "team", "user_agent", "session_id", "ip", "client", "thread", "logger", "module", "function",
    "line", "checkpoint", "lora", "cfg", "denoise", "remaining", "version", "worker", "workers", "task", "trace",
    "parent", "kind", "label", "value", "user_ip", "node_ip", "request_ip", "instance_ip", "trace_ids",
)
# fmt: on


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_that_may_well_be_one_is_none(name):
    assert meant(name) is None


@pytest.mark.parametrize("rule", DEFAULT_RULES, ids=lambda rule: rule.id)
def test_our_own_rules_mistype_nothing(rule):
    assert list(notes(rule, "en")) == []


@pytest.mark.parametrize("said", ["(", "| stats count()", "", 7, None])
def test_what_a_plugin_calls_where_and_is_no_condition_is_left_alone(said):
    assert list(notes(SimpleNamespace(where=said), "en")) == []


def test_the_fields_of_a_condition_are_found_however_deep_they_stand():
    query = 'word (a:1 OR NOT b:>2) AND c:[1 TO 2] AND d:x* AND e:/x/ AND f:* AND "sevice: no field"'
    assert list(fields_of(condition(query))) == list("abcdef")


@settings(deadline=None)
@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_a_distance_is_one(one, other):
    assert distance(one, other) == distance(other, one) <= max(len(one), len(other))
    assert (distance(one, other) == 0) == (one == other)
