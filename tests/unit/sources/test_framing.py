"""A body becomes the records that its sender meant, byte for byte."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.sources import framing
from safelight.sources.bodies import Refused
from safelight.sources.framing import records

JSON_TYPES = ["application/json", "application/json; charset=utf-8", "text/json", "application/vnd.api+json"]
LINE_TYPES = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines", "text/plain"]
NO_TYPES = ["", "application/octet-stream", "application/x-www-form-urlencoded", "application/x-my-log"]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
events = st.lists(st.dictionaries(st.text(max_size=8), anything, max_size=4), min_size=1, max_size=8)


def refused(body, content_type=""):
    with pytest.raises(Refused) as caught:
        records(body, content_type)
    return caught.value.status, caught.value.why


@settings(max_examples=50, deadline=None)
@given(sent=events, content_type=st.sampled_from(JSON_TYPES + NO_TYPES), indent=st.sampled_from([None, 2]))
def test_the_elements_of_an_array_are_the_records(sent, content_type, indent):
    found = records(json.dumps(sent, indent=indent).encode(), content_type)
    assert [json.loads(record) for record in found] == sent


@settings(max_examples=50, deadline=None)
@given(sent=events, content_type=st.sampled_from(LINE_TYPES + NO_TYPES), end=st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_so_are_lines(sent, content_type, end):
    found = records(end.join(json.dumps(one) for one in sent).encode(), content_type)
    assert [json.loads(record) for record in found] == sent


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200), content_type=st.sampled_from(JSON_TYPES + LINE_TYPES + NO_TYPES))
def test_no_body_can_do_more_than_be_refused(body, content_type):
    try:
        found, status = records(body, content_type), 200
    except Refused as error:
        found, status = [], error.status
    assert status in {200, 400, 415}
    assert all(isinstance(record, bytes) for record in found)


@settings(max_examples=50, deadline=None)
@given(text=st.text(string.printable + "显存不足", min_size=1, max_size=200))
def test_lines_of_text_lose_nothing_but_their_ends(text):
    found = records(text.encode(), "text/plain")
    assert b"\n".join(found).split() == text.encode().split()
    assert all(record.strip() for record in found)


def test_bytes_come_as_they_were_sent():
    odd = b'{"a" : 1.0000000000000000001, "b":"\\u00e9", "a":2 }'
    assert records(b"[ " + odd + b" ,\n" + odd + b"]", "application/json") == [odd, odd]
    assert records(odd + b"\r\n" + odd, "application/x-ndjson") == [odd, odd]
    assert records(odd, "application/json") == [odd]


def test_an_object_over_many_lines_is_one_record():
    body = json.dumps({"message": "a", "inner": {"b": [1, 2]}}, indent=4).encode()
    assert records(body, "application/json") == [body]
    assert records(b"\xef\xbb\xbf" + body, "") == [body]


def test_ndjson_that_is_called_json_is_ndjson():
    assert records(b'{"a":1}\n{"a":2}\n', "application/json") == [b'{"a":1}', b'{"a":2}']
    assert records(b'{"a":1}\n{"a":\n', "application/json") == [b'{"a":1}', b'{"a":'], "the bad one is flagged later"


def test_text_that_begins_like_json_is_text():
    assert records(b"[INFO] started\n[INFO] done\n", "") == [b"[INFO] started", b"[INFO] done"]
    assert records(b"{not json}\n", "") == [b"{not json}"]


NEARLY = [b'{"loss":NaN}', b'{"name":"\\ud800"}', b'{"name":"caf\xe9"}', b'{"n":-Infinity, "m":"]"}', b'{"good":1}']


@pytest.mark.parametrize("record", NEARLY)
def test_a_record_that_is_nearly_json_does_not_sink_those_beside_it(record):
    good = b'{"good" : [1, {"a": "}"}]}'
    for body in (b"[" + good + b"," + record + b"]", b" [ " + record + b" ,\n " + good + b" ] \n"):
        assert sorted(records(body, "application/json")) == sorted([good, record])
    assert records(record, "application/json") == [record]


def test_objects_may_follow_each_other_without_anything_between():
    sent = [b'{"a":1}', b'{"b":{"c":2}}', b'{"d":"}{"}']
    assert records(b"".join(sent), "application/json") == sent
    assert records(b" \n".join(one.replace(b":", b":\n") for one in sent), "application/json") == [
        one.replace(b":", b":\n") for one in sent
    ]


def test_elements_that_are_no_objects_are_kept():
    assert records(b'["a \\"line\\"", 5, null, [1], "\\ud800"]', "application/json") == [
        b'a "line"',
        b"5",
        b"null",
        b"[1]",
        b'"\\ud800"',
    ]


def test_nothing_is_no_record():
    for content_type in (*JSON_TYPES, *LINE_TYPES, *NO_TYPES):
        assert records(b"", content_type) == records(b" \r\n\n", content_type) == []
    assert records(b"[]", "application/json") == []


def test_what_is_said_to_be_json_must_be():
    for body in (
        b'{"a":',
        b"[1,2",
        b'[{"a":1}}]',
        b"nonsense",
        b'{"a":1} trailing',
        b'{\n"a":\n',
        b"[NaN,]",
        b"[NaN NaN",
        b"[NaN][NaN]",
    ):
        assert refused(body, "application/json") == (400, "not_json")


def test_json_nested_too_deeply_is_refused_as_a_whole_and_kept_as_a_line():
    deep = b"[" * 100_000 + b"]" * 100_000
    assert refused(deep, "application/json")[0] == 400
    assert refused(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "application/json")[0] == 400
    assert records(deep, "application/x-ndjson") == [deep]
    assert records(b"[" + b"[" * 500 + b"]" * 500 + b"]", "application/json") == [b"[" * 500 + b"]" * 500]


@pytest.mark.parametrize(
    "content_type",
    ["application/msgpack", "application/x-protobuf", "image/png", "multipart/form-data; boundary=x", "text/html"],
)
def test_other_content_is_refused_by_its_name(content_type):
    assert refused(b"{}", content_type) == (415, "content_type")


@pytest.mark.parametrize("content_type", NO_TYPES)
def test_and_what_is_no_text_by_its_looks(content_type):
    assert refused(b"\x93\x01\x02\x03", content_type) == (415, "content_type")


@pytest.mark.parametrize(("charset", "encoding"), [("GBK", "gbk"), ("'utf-16'", "utf-16"), ("ISO-8859-1", "latin-1")])
def test_text_in_another_encoding_becomes_utf8(charset, encoding):
    text = "résumé" if encoding == "latin-1" else "显存不足"
    assert records(text.encode(encoding), f"text/plain; charset={charset}") == [text.encode()]


def test_what_is_not_in_the_encoding_that_it_declares_is_kept_as_it_is():
    assert records(b"\xff\xfe\xfd", "text/plain; charset=gb18030") == [b"\xff\xfe\xfd"]
    assert records(b"caf\xe9", "text/plain; charset=utf-8") == [b"caf\xe9"]


@pytest.mark.parametrize("charset", ["klingon", "rot13", "idna", "zlib", "unicode_escape", "a" * 300, "utf-8\0"])
def test_an_encoding_that_is_none_is_refused(charset):
    assert refused(b"text", f"text/plain; charset={charset}") == (415, "charset")


def test_too_many_records_are_refused(monkeypatch):
    monkeypatch.setattr(framing, "MOST_RECORDS", 3)
    assert len(records(b"{}\n{}\n{}\n", "application/x-ndjson")) == len(records(b"[{},{},{}]", "application/json")) == 3
    assert refused(b"{}\n" * 4, "application/x-ndjson") == (413, "too_large")
    assert refused(b"[{},{},{},{}]", "application/json") == (413, "too_large")
    assert refused(b"[{},{},{},{}]") == (413, "too_large"), "and not taken for text instead"
    assert refused(b"NaN " * 4, "application/json") == (413, "too_large")
    monkeypatch.setattr(framing, "MOST_COMMAS", 3)
    assert refused(b'[{"a":1,"b":2,"c":3,"d":4,"e":5}]', "application/json") == (413, "too_large")
