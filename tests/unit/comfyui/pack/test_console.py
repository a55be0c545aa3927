"""Records and prints become lines of the run and node they came from, each once."""

from __future__ import annotations

import io
import logging
import sys
import threading
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

TRACE = 'Traceback (most recent call last):\n  File "/c/execution.py", line 543, in execute\n    run()\nValueError: bad'


class Interceptor(io.StringIO):
    """A stream of ComfyUI's app/logger.py, as far as writing goes."""


@pytest.fixture
def streams(monkeypatch):
    found = SimpleNamespace(stdout_interceptor=Interceptor(), stderr_interceptor=Interceptor())
    monkeypatch.setitem(sys.modules, "app.logger", found)
    return found


@pytest.fixture
def root(streams):
    """The root logger as ComfyUI sets it up: one handler to stderr, with coloured levels."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    handler = logging.StreamHandler(streams.stderr_interceptor)
    handler.setFormatter(logging.Formatter("\x1b[32m[%(levelname)s]\x1b[0m %(message)s"))
    root.handlers[:] = [handler]
    root.setLevel("INFO")
    yield root
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def console(pack, root, told):
    console = pack.console.Console(told)
    console.install()
    yield console
    console.uninstall()


def lines(told):
    return [(one.level, one.fields["message"]) for one in told if one.event == "log"]


def test_a_record_is_told_once_though_a_handler_prints_it(console, root, streams, told):
    root.info("got prompt")
    assert lines(told) == [("INFO", "got prompt")]
    assert "got prompt" in streams.stderr_interceptor.getvalue()


def test_the_time_of_a_record_is_its_own(console, root, told):
    root.handle(logging.makeLogRecord({"msg": "x", "levelno": 20, "levelname": "INFO", "created": 1.5, "name": "root"}))
    assert told[0].moment == 1_500_000_000


@pytest.mark.parametrize(
    ("number", "level"), [(5, "DEBUG"), (10, "DEBUG"), (25, "INFO"), (30, "WARNING"), (40, "ERROR"), (60, "CRITICAL")]
)
def test_levels_are_rounded_to_the_five(console, root, told, number, level):
    root.setLevel(1)
    root.log(number, "x")
    assert lines(told) == [(level, "x")]


def test_a_named_logger_is_named_and_an_exception_comes_with_its_traceback(console, root, told):
    try:
        raise KeyError("weights")
    except KeyError:
        logging.getLogger("pack.loader").exception("cannot load")
    (fields,) = told.of("log")
    assert (fields["logger"], fields["message"], fields["error_type"]) == ("pack.loader", "cannot load", "KeyError")
    assert fields["traceback"].endswith("KeyError: 'weights'")


def test_lines_know_their_run_and_node(pack, console, root, told):
    run = pack.run.Run("w1", {})
    token = pack.run.at_hand.set(pack.run.Node(run, "7", "KSampler", None))
    try:
        root.info("Requested to load SDXL")
        print("printed", file=sys.modules["app.logger"].stdout_interceptor)
    finally:
        pack.run.at_hand.reset(token)
    root.info("idle")
    first, second, third = told.of("log")
    assert (first["workflow_id"], first["node"], first["node_id"]) == ("w1", "KSampler", "7")
    assert second == {"message": "printed", "workflow_id": "w1", "node": "KSampler", "node_id": "7"}
    assert third == {"message": "idle"}


@pytest.mark.parametrize(
    "message",
    [
        "!!! Exception during processing !!! bad",
        "Got an OOM, unloading all loaded models.",
        "Failed to validate prompt for output 5:",
        "* ImageScale 2:",
        "* (prompt):",
        "  - Value not in list: upscale_method: 'nope' not in ['area']",
        "Output will be ignored",
    ],
)
def test_what_another_event_tells_is_no_second_alarm(console, root, told, message):
    root.error(message)
    (one,) = told
    assert (one.level, one.fields["console_level"]) == ("INFO", "ERROR")


def test_so_is_the_traceback_right_after_a_node_failure(console, root, told):
    root.error("!!! Exception during processing !!! bad")
    root.error(TRACE)
    root.error(TRACE)
    assert [one.level for one in told] == ["INFO", "INFO", "ERROR"]


def test_the_same_words_of_another_logger_are_its_own(console, root, told):
    logging.getLogger("pack").error("Output will be ignored")
    assert lines(told) == [("ERROR", "Output will be ignored")]


def test_prints_are_told_line_by_line(console, streams, told):
    print("one\ntwo", file=streams.stdout_interceptor)
    streams.stdout_interceptor.write("half ")
    assert lines(told) == [("INFO", "one"), ("INFO", "two")]
    streams.stdout_interceptor.write("a line\n\n")
    assert lines(told)[2:] == [("INFO", "half a line")]


def test_a_progress_bar_is_told_as_it_ended(console, streams, told):
    for step in range(4):
        streams.stderr_interceptor.write(f"\r{step * 33}%|{'█' * step}")
    streams.stderr_interceptor.write("\n")
    assert lines(told) == [("INFO", "99%|███")]


def test_a_printed_traceback_is_one_warning(console, streams, told):
    for line in TRACE.splitlines(keepends=True):
        streams.stderr_interceptor.write(line)
    streams.stderr_interceptor.write("\n")
    print("after", file=streams.stderr_interceptor)
    assert lines(told) == [("WARNING", TRACE), ("INFO", "after")]


def test_an_empty_record_is_nothing_to_tell_and_hides_no_print(console, root, streams, told):
    root.info("")
    print("next", file=streams.stderr_interceptor)
    assert lines(told) == [("INFO", "next")]


def test_a_print_that_repeats_a_record_later_is_told(console, root, streams, told):
    root.info("loading")
    root.info("other")
    print("loading", file=streams.stdout_interceptor)
    assert lines(told) == [("INFO", "loading"), ("INFO", "other"), ("INFO", "loading")]


def test_what_a_loggers_own_handler_printed_first_is_told_once(console, root, streams, told):
    logger = logging.getLogger("pack.own")
    handler = logging.StreamHandler(streams.stdout_interceptor)
    logger.addHandler(handler)
    try:
        logger.info("hello")
        logger.error("bad")
    finally:
        logger.removeHandler(handler)
    assert lines(told) == [("INFO", "hello"), ("INFO", "bad"), ("ERROR", "bad")]


def test_lines_of_two_threads_are_not_mixed(console, streams, told):
    def other():
        streams.stdout_interceptor.write("theirs\n")

    streams.stdout_interceptor.write("mine ")
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    streams.stdout_interceptor.write("whole\n")
    assert lines(told) == [("INFO", "theirs"), ("INFO", "mine whole")]


def test_keys_are_hidden_and_colours_gone(console, root, told):
    root.warning("\x1b[31mtoken hf_abcdefghijklmnop\x1b[0m refused")
    assert lines(told) == [("WARNING", "token [REDACTED] refused")]


def test_a_flood_is_counted(pack, console, root, told, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(pack.console, "monotonic", lambda: clock[0])
    for number in range(250):
        root.info("line %d", number)
    assert len(told) == 200
    clock[0] += 1
    root.info("after")
    assert told[200].fields == {"message": "50 lines of the console were left out", "count": 50}
    assert lines(told)[-1] == ("INFO", "after")


def test_a_long_record_is_cut(console, root, told):
    root.info("x" * 100_000)
    assert 16_000 <= len(told.of("log")[0]["message"]) < 16_100


def test_a_record_that_does_not_fit_its_arguments_hurts_nobody(console, root, told, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    root.info("%d", "x")
    root.info("fine")
    assert lines(told) == [("INFO", "fine")]


def test_what_telling_itself_logs_is_not_told(pack, root):
    count = []

    def append(*_):
        count.append(1)
        root.error("the writer complains")

    console = pack.console.Console(append)
    console.install()
    root.info("x")
    console.uninstall()
    assert len(count) == 1


def test_installing_twice_makes_no_difference_and_uninstalling_leaves_no_trace(console, root, streams, told):
    console.install()
    root.info("once")
    print("once more", file=streams.stdout_interceptor)
    assert len(told) == 2
    console.uninstall()
    root.info("x")
    print("y", file=streams.stdout_interceptor)
    assert len(told) == 2
    assert "write" not in vars(streams.stdout_interceptor)


def test_who_wraps_the_stream_after_us_keeps_working(pack, root, streams, told):
    console = pack.console.Console(told)
    console.install()
    ours, seen = streams.stdout_interceptor.write, []
    streams.stdout_interceptor.write = lambda text: (seen.append(text), ours(text))[1]
    console.uninstall()
    streams.stdout_interceptor.write("x\n")
    assert seen == ["x\n"]
    assert streams.stdout_interceptor.getvalue() == "x\n"


def test_without_comfyuis_streams_records_are_still_told(pack, root, told, monkeypatch):
    monkeypatch.delitem(sys.modules, "app.logger")
    console = pack.console.Console(told)
    console.install()
    root.info("x")
    console.uninstall()
    assert lines(told) == [("INFO", "x")]


@settings(max_examples=50)
@given(text=st.text("ab \n\r\t\x1b[0m", max_size=60), cuts=st.lists(st.integers(0, 60), max_size=5))
@example(text="0\r\r", cuts=[3])
def test_however_text_is_broken_off_its_lines_are_the_same(pack, text, cuts):
    whole = list(pack.lines.Lines().feed(f"{text}\n"))
    pieces, start = [], 0
    for cut in sorted(cuts):
        pieces.append(text[start:cut])
        start = max(start, cut)
    broken = pack.lines.Lines()
    found = [line for piece in [*pieces, f"{text[start:]}\n"] for line in broken.feed(piece)]
    assert found == whole


def test_a_line_that_never_ends_keeps_its_beginning(pack):
    lines = pack.lines.Lines()
    for _ in range(100):
        assert list(lines.feed("x" * 1_000)) == []
    assert len(lines._open) == pack.lines.PENDING


def test_a_traceback_that_never_ends_is_told_in_parts(pack):
    lines = pack.lines.Lines()
    told = list(lines.feed(f"{pack.lines.TRACEBACK}\n" + "  frame\n" * 500))
    assert len(told[0][0].splitlines()) == pack.lines.BLOCK
