import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.services import profile
from safelight.services.joiner import Joiner

GENERIC, COMFYUI = profile(None).grammar, profile("comfyui").grammar


def records(text: str, grammar=GENERIC, **limits) -> list[str]:
    joiner = Joiner(grammar, **limits)
    done = joiner.feed(text.encode().split(b"\n")) + joiner.flush()
    return [record.text.decode() for record in done]


TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: bad'


def test_every_plain_line_is_a_record():
    assert records("one\ntwo\nthree") == ["one", "two", "three"]


def test_a_traceback_is_one_record():
    assert records(f"before\n{TRACEBACK}\nafter") == ["before", TRACEBACK, "after"]


def test_a_logged_exception_keeps_its_traceback():
    text = f"2025-04-05 10:30:15,120 ERROR app: could not\n{TRACEBACK}\nsecond line of the message"
    assert records(f"{text}\n2025-04-05 10:30:16,000 INFO app: next")[0] == text


def test_a_traceback_after_an_information_is_its_own():
    assert records(f"[INFO] all well\n{TRACEBACK}") == ["[INFO] all well", TRACEBACK]


@pytest.mark.parametrize(
    "connector",
    [
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    ],
)
def test_chained_exceptions_are_one_record(connector):
    chain = f"{TRACEBACK}\n\n{connector}\n\n{TRACEBACK}"
    assert records(f"{chain}\nnext") == [chain, "next"]


def test_real_groups_and_chains_are_one_record():
    def fail():
        try:
            raise ExceptionGroup("both", [ValueError("a"), OSError("b")])
        except ExceptionGroup as group:
            raise RuntimeError("outer") from group

    try:
        fail()
    except RuntimeError:
        text = traceback.format_exc().rstrip("\n")
    assert records(f"{text}\nnext") == [text, "next"]


def test_indented_lines_belong_to_the_line_before():
    assert records("config:\n  a: 1\n\tb: 2\nnext") == ["config:\n  a: 1\n\tb: 2", "next"]


def test_lines_without_a_time_belong_to_the_one_with_it():
    assert records("2025-04-05 10:30:15 INFO a\nb\n\nc\n2025-04-05 10:30:16 INFO d") == [
        "2025-04-05 10:30:15 INFO a\nb\n\nc",
        "2025-04-05 10:30:16 INFO d",
    ]


def test_a_json_line_is_given_out_at_once_and_ends_what_was_pending():
    joiner = Joiner(GENERIC)
    assert joiner.feed([b"text"]) == []
    assert [record.text for record in joiner.feed([b'{"a":1}', b'{"a":2}'])] == [b"text", b'{"a":1}', b'{"a":2}']
    assert joiner.held == 0


def test_blank_lines_are_counted_and_no_records():
    joiner = Joiner(GENERIC)
    done = joiner.feed([b"", b"one", b"", b"", b'{"a":1}'])
    assert [(record.text, record.lines) for record in done] == [(b"one", 2), (b'{"a":1}', 3)]


def test_silence_completes_what_is_pending_and_what_follows_is_new():
    joiner = Joiner(COMFYUI)
    joiner.feed([b"!!! Exception during processing !!! x"])
    assert [record.text for record in joiner.flush()] == [b"!!! Exception during processing !!! x"]
    assert joiner.flush() == []
    joiner.feed(TRACEBACK.encode().split(b"\n"))
    assert joiner.flush()[0].text == TRACEBACK.encode()


def test_a_record_over_the_limit_goes_on_as_another():
    lines = "\n".join(["Traceback (most recent call last):", *['  File "a.py", line 1, in f'] * 9, "E: x"])
    cut = records(lines, max_lines=4)
    assert [text.count("\n") + 1 for text in cut] == [4, 4, 3]
    assert "\n".join(cut) == lines
    assert len(records("a\n" + " " + "x" * 90 + "\n" + " " + "y" * 90, max_bytes=150)) == 2


def test_colours_do_not_hide_where_a_record_begins():
    red = "\x1b[1m\x1b[31m[ERROR]\x1b[0m "
    announced = f"{red}!!! Exception during processing !!! bad\n{red}{TRACEBACK}"
    assert records(f"{announced}\n\n\x1b[32m[INFO]\x1b[0m got prompt", COMFYUI) == [
        announced,
        "\x1b[32m[INFO]\x1b[0m got prompt",
    ]


def test_a_message_that_looks_like_the_log_stays_with_its_failure():
    message = "got prompt\nPrompt executed in 9.99 seconds"
    failed = f"!!! Exception during processing !!! {message}\n{TRACEBACK.replace('bad', message)}"
    assert records(f"{failed}\n\nPrompt executed in 0.01 seconds", COMFYUI) == [
        failed,
        "Prompt executed in 0.01 seconds",
    ]


def test_reasons_of_a_rejected_prompt_are_one_record():
    text = "Failed to validate prompt for output 5:\n* ImageScale 2:\n  - Value -4\nOutput will be ignored"
    text += "\ninvalid prompt: {}"
    assert records(f"got prompt\n{text}\ngot prompt", COMFYUI) == ["got prompt", text, "got prompt"]


PIECES = [
    *(b"", b" ", b"text", b"  indented", b"{}", b"[INFO] a", b"[ERROR] b", b"2025-04-05 10:30:15 c", b"\xff\xfe"),
    *TRACEBACK.encode().split(b"\n"),
    *(b"!!! Exception during processing !!! d", b"got prompt", b"* N 1:", b"  - r"),
    b"Failed to validate prompt for output 1:",
    b"During handling of the above exception, another exception occurred:",
    b"\x1b[31m[ERROR]\x1b[0m Traceback (most recent call last):",
    b"  + Exception Group Traceback (most recent call last):",
]


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(PIECES) | st.binary(max_size=30).filter(lambda b: b"\n" not in b), max_size=30), st.data()
)
def test_no_line_is_lost_doubled_or_moved_however_they_arrive(lines, data):
    joiner = Joiner(data.draw(st.sampled_from([GENERIC, COMFYUI])), max_lines=5)
    done, fed = [], 0
    while fed < len(lines):
        size = data.draw(st.integers(1, 5))
        done += joiner.feed(lines[fed : fed + size])
        fed = min(fed + size, len(lines))
        assert sum(record.lines for record in done) + joiner.held == fed
    done += joiner.flush()
    kept = [line for record in done for line in record.text.split(b"\n") if line.strip()]
    assert [line.rstrip(b"\r\n") for line in kept] == [line.rstrip(b"\r\n") for line in lines if line.strip()]


@settings(max_examples=50)
@given(st.lists(st.sampled_from(PIECES), max_size=20), st.integers(1, 7))
def test_records_do_not_depend_on_how_many_lines_come_at_once(lines, size):
    whole, pieces = Joiner(COMFYUI), Joiner(COMFYUI)
    at_once = whole.feed(lines) + whole.flush()
    in_pieces = [record for at in range(0, len(lines), size) for record in pieces.feed(lines[at : at + size])]
    assert at_once == in_pieces + pieces.flush()
