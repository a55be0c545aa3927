"""The body of a bulk request, as Elasticsearch reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.sources import bulk
from safelight.sources.bodies import Refused
from safelight.sources.bulk import Malformed, items
from safelight.sources.received import MOST_RECORD_BYTES


def body(*lines, end="\n"):
    return "".join((line if isinstance(line, str) else json.dumps(line)) + end for line in lines).encode()


def short(found):
    return [(item.action, item.meta.index, item.meta.id, item.source, item.fault and item.fault.why) for item in found]


documents = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3)
actions = st.fixed_dictionaries(
    {}, optional={"_index": st.text(min_size=1, max_size=9), "_id": st.text(max_size=9), "_type": st.just("_doc")}
)


@settings(max_examples=50, deadline=None)
@given(
    sent=st.lists(st.tuples(st.sampled_from(["index", "create"]), actions, documents), min_size=1, max_size=8),
    end=st.sampled_from(["\n", "\r\n", " \n"]),
    between=st.sampled_from([b"", b"\n", b" \r\n\n"]),
    cut=st.booleans(),
)
def test_every_document_is_read_whatever_is_between(sent, end, between, cut):
    written = between.join(body({action: meta}, document, end=end) for action, meta, document in sent)
    found = items(written.rstrip() if cut else written)
    assert [(item.action, json.loads(item.source)) for item in found] == [(action, doc) for action, _, doc in sent]
    assert [(item.meta.index, item.meta.id) for item in found] == [
        (meta.get("_index"), meta.get("_id")) for _, meta, _ in sent
    ]


@settings(max_examples=200, deadline=None)
@given(noise=st.lists(st.binary(max_size=30) | st.sampled_from([b'{"index":{}}', b"{}", b'{"delete":{}}']), max_size=6))
def test_no_body_can_do_more_than_be_refused(noise):
    try:
        found, status = items(b"\n".join(noise)), 200
    except Refused as error:
        found, status = [], error.status
    assert status in {200, 400}
    assert status == 400 or found


def test_the_path_names_what_a_line_does_not():
    found = items(body({"index": {}}, {}, {"index": {"_index": "own", "_type": "t"}}, {}), "usual", "_doc")
    assert [(item.meta.index, item.meta.type) for item in found] == [("usual", "_doc"), ("own", "t")]


def test_an_id_may_be_a_number_and_other_settings_make_no_difference():
    meta = {
        "_id": 5,
        "routing": "a",
        "pipeline": "b",
        "version": 3,
        "retry_on_conflict": 2,
        "dynamic_templates": {"a": "b"},
    }
    (item,) = items(body({"create": meta}, {"a": 1}))
    assert item.meta.id == 5


def test_a_document_is_bytes_as_they_came_good_or_bad():
    odd = '{"a" : 1.00000000000000000001, "b": "\\u00e9"'
    assert short(items(body({"index": {}}, odd))) == [("index", None, None, odd.encode(), None)]


def test_events_are_neither_changed_nor_deleted_and_the_others_are_taken():
    found = items(
        body(
            {"update": {"_id": "1", "_index": "i"}},
            {"doc": {"a": 1}},
            {"delete": {"_id": "2"}},
            {"delete": {"_id": "2"}},
            {"index": {}},
            {"a": 1},
        )
    )
    assert short(found) == [
        ("update", "i", "1", b'{"doc": {"a": 1}}', "update"),
        ("delete", None, "2", b"", "delete"),
        ("delete", None, "2", b"", "delete"),
        ("index", None, None, b'{"a": 1}', None),
    ]
    assert all(item.fault.type == "illegal_argument_exception" for item in found[:3])


def test_a_document_that_is_empty_or_too_large_is_refused_by_itself():
    huge = '{"a":"' + "x" * MOST_RECORD_BYTES + '"}'
    found = items(body({"index": {}}, "", {"index": {}}, huge, {"index": {}}, "{}"))
    assert [item.fault and item.fault.why for item in found] == ["empty", "too_large", None]
    assert "1048576" in found[1].fault.reason


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"upsert":{}}', "expected field [create], [delete], [index] or [update] but found [upsert]"),
        ("[1]", "expected START_OBJECT but found [START_ARRAY]"),
        ('"index"', "expected START_OBJECT but found [VALUE_STRING]"),
        ("5", "expected START_OBJECT but found [VALUE_NUMBER]"),
        ("null", "expected START_OBJECT but found [VALUE_NULL]"),
        ("{}", "expected FIELD_NAME but found [END_OBJECT]"),
        ('{"index":null}', "expected an object of simple values for [index]"),
        ('{"index":{"_id":["a"]}}', "expected an object of simple values for [index]"),
        ('{"index":', "Input data was truncated"),
        ("[" * 100_000, "recursion"),
        ("caf\udce9", "invalid character"),
    ],
)
def test_a_line_that_says_nothing_refuses_the_whole_and_is_named(line, said):
    good = body({"index": {}}, {"a": 1})
    with pytest.raises(Malformed) as refused:
        items(good + b"\n" + line.encode(errors="surrogateescape") + b"\n{}\n")
    assert refused.value.reason.startswith("Malformed action/metadata line [4], ")
    assert said in refused.value.reason
    assert refused.value.status == 400


def test_a_body_that_ends_before_its_document_is_refused():
    with pytest.raises(Malformed, match=r"line \[3\]"):
        items(b'{"index":{}}\n{}\n{"index":{}}')


@pytest.mark.parametrize("nothing", [b"", b"\n", b" \r\n\n"])
def test_nothing_is_no_bulk_request(nothing):
    with pytest.raises(Refused) as refused:
        items(nothing)
    assert refused.value.status == 400


def test_too_many_documents_are_refused(monkeypatch):
    monkeypatch.setattr(bulk, "MOST_RECORDS", 2)
    assert len(items(body(*[{"index": {}}, {}, ""] * 2))) == 2
    for many in (body(*[{"delete": {}}] * 3), body(*[{"index": {}}, {}] * 4)):
        with pytest.raises(Refused) as refused:
            items(many)
        assert refused.value.status == 413
