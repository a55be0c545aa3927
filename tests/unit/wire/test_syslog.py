"""Syslog as it is sent: by the standards' own examples, by devices, over TCP in any pieces, and hostile."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.wire.syslog import Framer, beginning, parse

NAMES = st.from_regex(r"[a-zA-Z0-9@]{1,10}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

MESSAGES = {
    b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for lonvick": {
        "text": "'su root' failed for lonvick",
        "facility": "auth",
        "severity": 2,
        "time": "2003-10-11T22:14:15.003Z",
        "host": "mymachine.example.com",
        "app": "su",
        "message_id": "ID47",
    },
    b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.": {
        "text": "%% It's time to make the do-nuts.",
        "facility": "local4",
        "severity": 5,
        "time": "2003-08-24T05:14:15.000003-07:00",
        "host": "192.0.2.1",
        "app": "myproc",
        "process": "8710",
    },
    b'<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [a@1 iut="3" b="x\\"y\\]z\\\\"][b@1 k="1" k="2" k="3"] Text': {
        "text": "Text",
        "facility": "local4",
        "severity": 5,
        "time": "2003-10-11T22:14:15.003Z",
        "host": "h",
        "app": "evntslog",
        "message_id": "ID47",
        "data": {"a@1": {"iut": "3", "b": 'x"y]z\\'}, "b@1": {"k": ["1", "2", "3"]}},
    },
    b'<165>1 - - - - - [a@1 iut="3"][b@1]': {
        "text": "",
        "facility": "local4",
        "severity": 5,
        "data": {"a@1": {"iut": "3"}, "b@1": {}},
    },
    b'<165>1 - - - - - [a@1 iut="3': {"text": '[a@1 iut="3', "facility": "local4", "severity": 5},
    b"<34>1 - - - - - -": {"text": "", "facility": "auth", "severity": 2},
    b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed": {
        "text": "'su root' failed",
        "facility": "auth",
        "severity": 2,
        "time": "2026-10-11T22:14:15",
        "host": "mymachine",
        "app": "su",
    },
    b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!": {
        "text": "Use the BFG!",
        "facility": "user",
        "severity": 5,
        "time": "2026-02-05T17:32:18",
        "host": "10.0.0.99",
    },
    b"<30>Dec 31 23:59:59 host app[12]: last year\n": {
        "text": "last year",
        "facility": "daemon",
        "severity": 6,
        "time": "2025-12-31T23:59:59",
        "host": "host",
        "app": "app",
        "process": "12",
    },
    b"<13>Nov 23 06:00:00 host app: a clock that is ahead": {
        "text": "a clock that is ahead",
        "facility": "user",
        "severity": 5,
        "time": "2026-11-23T06:00:00",
        "host": "host",
        "app": "app",
    },
    b"<13>Feb 29 10:00:00 host app: leap": {
        "text": "leap",
        "facility": "user",
        "severity": 5,
        "time": "2024-02-29T10:00:00",
        "host": "host",
        "app": "app",
    },
    b"<13>Oct 11 22:14:15 app[123]: no host": {
        "text": "no host",
        "facility": "user",
        "severity": 5,
        "time": "2026-10-11T22:14:15",
        "app": "app",
        "process": "123",
    },
    b"<13>app[1]: only a program": {
        "text": "only a program",
        "facility": "user",
        "severity": 5,
        "app": "app",
        "process": "1",
    },
    b"<165>Nov 22 10:00:01 gpu-2 render[7] as rsyslog writes the new form in the old": {
        "text": "as rsyslog writes the new form in the old",
        "facility": "local4",
        "severity": 5,
        "time": "2026-11-22T10:00:01",
        "host": "gpu-2",
        "app": "render",
        "process": "7",
    },
    b"<13>hello world": {"text": "hello world", "facility": "user", "severity": 5},
    b"no priority: x": {"text": "no priority: x"},
    b"Oct 11 22:14:15 host app: no priority": {
        "text": "no priority",
        "time": "2026-10-11T22:14:15",
        "host": "host",
        "app": "app",
    },
    b"<13>2024-05-13T14:22:31.123456+02:00 host app[1]: ISO": {
        "text": "ISO",
        "facility": "user",
        "severity": 5,
        "time": "2024-05-13T14:22:31.123456+02:00",
        "host": "host",
        "app": "app",
        "process": "1",
    },
    b"<13>2024-05-13 14:22:31 host app: ISO with a blank": {
        "text": "ISO with a blank",
        "facility": "user",
        "severity": 5,
        "time": "2024-05-13 14:22:31",
        "host": "host",
        "app": "app",
    },
    b"<189>29: *Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: Configured from console": {
        "text": "Configured from console",
        "facility": "local7",
        "severity": 5,
        "time": "2026-03-01T18:46:11.123Z",
        "message_id": "SYS-5-CONFIG_I",
    },
    b"<189>29: router1: *Mar  1 18:46:11.123: %LINK-3-UPDOWN: Interface up": {
        "text": "Interface up",
        "facility": "local7",
        "severity": 5,
        "time": "2026-03-01T18:46:11.123",
        "host": "router1",
        "message_id": "LINK-3-UPDOWN",
    },
    b"<187>: 2024 Mar  1 18:46:11 UTC: %ETHPORT-5-IF_UP: Interface is up": {
        "text": "Interface is up",
        "facility": "local7",
        "severity": 3,
        "time": "2024-03-01T18:46:11Z",
        "message_id": "ETHPORT-5-IF_UP",
    },
    b"<166>Mar 01 2024 18:46:11 asa1 : %ASA-6-302013: Built": {
        "text": "Built",
        "facility": "local4",
        "severity": 6,
        "time": "2024-03-01T18:46:11",
        "host": "asa1",
        "message_id": "ASA-6-302013",
    },
    b"<166>:Mar 01 18:46:11 UTC: %ASA-session-6-302013: Built": {
        "text": "Built",
        "facility": "local4",
        "severity": 6,
        "time": "2026-03-01T18:46:11Z",
        "message_id": "ASA-session-6-302013",
    },
    b"<30>Nov 22 10:00:00 fe80::1 app: IPv6": {
        "text": "IPv6",
        "facility": "daemon",
        "severity": 6,
        "time": "2026-11-22T10:00:00",
        "host": "fe80::1",
        "app": "app",
    },
    b'<13>Oct 11 22:14:15 myhost @cee: {"a":1}': {
        "text": '@cee: {"a":1}',
        "facility": "user",
        "severity": 5,
        "time": "2026-10-11T22:14:15",
        "host": "myhost",
    },
    b"<999>too much": {"text": "<999>too much"},
    b"<13>Foo 11 22:14:15 host app: no month": {
        "text": "Foo 11 22:14:15 host app: no month",
        "facility": "user",
        "severity": 5,
    },
    b"<13>\xcf\xff\xfe": {"text": "\udccf\udcff\udcfe", "facility": "user", "severity": 5},
    b"": {"text": ""},
    b"<13>": {"text": "", "facility": "user", "severity": 5},
}


@pytest.mark.parametrize("number", range(len(MESSAGES)))
def test_a_message_says_what_its_form_says(number):
    message, expected = list(MESSAGES.items())[number]
    found = {name: value for name, value in asdict(parse(message, NOW)).items() if value not in (None, {})}
    assert found == expected


def test_a_severity_is_a_level():
    levels = [parse(b"<%d>x" % priority, NOW).level for priority in range(8)]
    assert levels == ["CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG"]


@given(st.sampled_from([b"", *sorted(MESSAGES)]), st.binary(max_size=200), st.integers(0, 80))
@settings(max_examples=200, deadline=None)
def test_no_message_can_fail(message, more, at):
    assert isinstance(parse(message[:at] + more + message[at:], NOW).text, str)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, TEXTS, max_size=3), max_size=3))
@settings(max_examples=60, deadline=None)
def test_structured_data_survives_its_escapes(data):
    def quoted(value):
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")

    def element(name, values):
        return f"[{name}" + "".join(f' {key}="{quoted(value)}"' for key, value in values.items()) + "]"

    written = "".join(element(name, values) for name, values in data.items())
    found = parse(f"<13>1 - - - - - {written or '-'} text".encode(), NOW)
    assert found.data == data
    assert found.text == "text"


STREAM = b"5 <13>a" + b"<13>b\n<13>c\r\n" + b"7 <13>d\ne" + b"\n\n" + b"<13>f\0\n" + b"5 <13>g"
CUT = [b"<13>a", b"<13>b", b"<13>c", b"<13>d\ne", b"<13>f", b"<13>g"]


@pytest.mark.parametrize("step", [1, 2, 5, 1_000])
def test_counted_messages_and_lines_are_told_apart_wherever_the_stream_is_broken(step):
    framer = Framer(100)
    found = [one for at in range(0, len(STREAM), step) for one in framer.feed(STREAM[at : at + step])]
    assert found == CUT
    assert (framer.pending, framer.rest(), framer.cut) == (0, [], 0)


def test_a_last_line_without_an_end_is_a_message_when_the_sender_is_gone():
    framer = Framer(100)
    assert framer.feed(b"<13>whole\n<13>half") == [b"<13>whole"]
    assert framer.rest() == [b"<13>half"]
    assert framer.rest() == []


@pytest.mark.parametrize("step", [1, 3, 1_000])
def test_what_is_too_long_is_cut_and_counted_and_the_next_is_whole(step):
    stream = "<13>1234567890äääää\n<13>b\n31 <13>counted and much too long!!5 <13>c".encode()
    framer = Framer(15)
    found = [one for at in range(0, len(stream), step) for one in framer.feed(stream[at : at + step])]
    assert found == [b"<13>1234567890", b"<13>b", b"<13>counted and", b"<13>c"]
    assert framer.cut == 2


@given(st.binary(max_size=300), st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_any_stream_is_cut_into_messages_of_bounded_size(stream, step):
    framer = Framer(40)
    found = [one for at in range(0, len(stream), step) for one in framer.feed(stream[at : at + step])]
    assert all(0 <= len(one) <= 40 for one in found)
    assert len(framer._buffer) <= 60


def test_a_counted_message_over_the_limit_is_cut_between_characters():
    framer = Framer(6)
    assert framer.feed("9 中文字".encode()[:-3] + "字<13>x\n".encode()) == ["中文".encode(), b"<13>x"]
    framer = Framer(4)
    assert framer.feed("9 中文字".encode()) == ["中".encode()]
    assert framer.cut == 1


def test_the_count_of_a_message_that_broke_off_is_no_part_of_it():
    framer = Framer(100)
    assert framer.feed(b"50 <13>half") == []
    assert framer.rest() == [b"<13>half"]


def test_counted_nothing_is_no_message():
    assert Framer(100).feed(b"1 \n5 <13>x") == [b"<13>x"]


@given(st.text(alphabet="aé中😀", max_size=8), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_the_beginning_of_a_message_ends_with_a_whole_character(text, limit):
    kept = beginning(text.encode(), limit)
    assert len(kept) <= limit
    assert text.startswith(kept.decode())
    assert limit - len(kept) < 4 or kept.decode() == text
