import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.processors.rename import Rename


def renamed(row, **settings):
    rows = [{"id": "before", "attributes": '{"other":1}'}, {"id": "it", **row}]
    done = Rename(**settings).step()(Batch.of(rows)).table.to_pylist()
    assert {name: value for name, value in done[0].items() if value is not None} == rows[0]
    event = {name: value for name, value in done[1].items() if value is not None and name != "id"}
    return event | ({"attributes": json.loads(event["attributes"])} if "attributes" in event else {})


@pytest.mark.parametrize(
    ("row", "fields", "became"),
    [
        ({"node": "a"}, {"node": "tag"}, {"tag": "a"}),
        ({"node": "a", "tag": "b"}, {"node": "tag", "tag": "node"}, {"node": "b", "tag": "a"}),
        ({"node": "a", "tag": "b"}, {"node": "tag"}, {"tag": "a"}),
        ({"tag": "b"}, {"node": "tag"}, {"tag": "b"}),
        ({"node": "12.5"}, {"node": "duration_ms"}, {"duration_ms": 12.5}),
        ({"node": "soon", "duration_ms": 3.0}, {"node": "duration_ms"}, {"node": "soon", "duration_ms": 3.0}),
        ({"duration_ms": 3.0}, {"processing_time_ms": "node"}, {"node": "3.0"}),
        ({"attributes": '{"took":5,"a":1}'}, {"took": "duration_ms"}, {"duration_ms": 5.0, "attributes": {"a": 1}}),
        ({"attributes": '{"took":"x"}'}, {"took": "duration_ms"}, {"attributes": {"took": "x"}}),
        ({"attributes": '{"sev":"warn"}', "level": "INFO"}, {"sev": "level"}, {"level": "WARNING"}),
        (
            {"attributes": '{"s":{"steps":30,"cfg":7}}'},
            {"s.steps": "steps"},
            {"attributes": {"s": {"cfg": 7}, "steps": 30}},
        ),
        ({"attributes": '{"s.steps":30}'}, {"attributes.s.steps": "n"}, {"attributes": {"n": 30}}),
        ({"attributes": '{"a":1,"b":2}'}, {"a": "b", "b": "a"}, {"attributes": {"a": 2, "b": 1}}),
        ({"node": "K"}, {"node": "graph.node"}, {"attributes": {"graph": {"node": "K"}}}),
        ({"attributes": '{"a":[1]}'}, {"a": "tag"}, {"tag": "[1]"}),
    ],
)
def test_a_field_gets_another_name(row, fields, became):
    assert renamed(row, fields=fields) == became


def test_fields_are_removed():
    row = {"node": "a", "tag": "b", "attributes": '{"a":1,"b":{"c":2}}'}
    assert renamed(row, remove=["node", "a", "b.c"]) == {"tag": "b", "attributes": {"b": {}}}
    assert renamed({"attributes": '{"a":1}'}, remove=["a"]) == {}


@given(st.sampled_from(['{"a":', "[1]", '"a"', "a"]))
def test_attributes_that_are_no_object_are_left_as_they_are(text):
    done = Rename(fields={"a": "b"}, remove=["c"]).step()(Batch.of([{"attributes": text}]))
    assert done["attributes"].to_pylist() == [text]


def test_a_batch_without_these_fields_is_given_back_itself():
    batch = Batch.of([{"message": "m", "attributes": '{"z":1}'}])
    assert Rename(fields={"a": "b", "node": "tag"}, remove=["c"]).step()(batch) is batch


@pytest.mark.parametrize(
    "wrong",
    [{}, {"fields": {"id": "a"}}, {"fields": {"a": "timestamp"}}, {"fields": {"a": "b", "c": "b"}}, {"remove": ["raw"]},
     {"fields": {"a": "msg", "b": "message"}}, {"fields": {"attributes.": "b"}}],
)  # fmt: skip
def test_a_mistake_is_refused(wrong):
    with pytest.raises(ValidationError):
        Rename(**wrong)
