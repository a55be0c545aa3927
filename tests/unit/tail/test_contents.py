"""What stands in a file, and what does not stand there any more."""

from __future__ import annotations

import os
import tracemalloc

import pytest

from safelight.tail import records, rungs
from safelight.tail.encoding import encoding
from safelight.tail.records import Format

MB = 1024 * 1024


def append(path, content):
    with path.open("ab") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def test_a_file_rewritten_longer_behind_the_same_head_is_new_content(tmp_path, follower):
    log = tmp_path / "a.log"
    banner = "a banner without a time\n" * 20
    append(log, banner + "first run\n")
    following = follower(log)
    following.read()
    log.write_text(banner + "other run\nand more\n")
    assert following.read()[-2:] == [b"other run", b"and more"]


def test_a_file_rewritten_to_the_same_size_is_new_content(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, "one\n")
    following = follower(log)
    following.read()
    was = log.stat()
    log.write_text("two\n")
    os.utime(log, ns=(was.st_atime_ns, was.st_mtime_ns + 1))
    assert following.read() == [b"two"]


def test_a_file_rewritten_to_the_same_size_within_one_tick_of_the_clock_is_new_content(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, "one\n")
    tick = log.stat().st_mtime_ns + 3600 * 10**9  # not yet over, however slow the machine is
    os.utime(log, ns=(tick, tick))
    following = follower(log)
    following.read()
    log.write_text("two\n")
    os.utime(log, ns=(tick, tick))
    assert following.read() == [b"two"]


def test_what_is_left_of_a_file_truncated_to_its_middle_is_not_read_again(tmp_path, follower):
    log = tmp_path / "a.log"
    following = follower(log)
    for part in range(4):
        append(log, f"{part} {'x' * 1000}\n" * (rungs.RUNG_BYTES // 1000 + 1))
        following.read()
        if part == 1:
            middle = log.stat().st_size
    os.truncate(log, middle)
    assert following.read() == []
    append(log, "after\n")
    assert following.read() == [b"after"]
    assert len(set(following.ids)) == len(following.ids)


def test_a_file_that_was_read_at_one_go_is_known_again_nearly_up_to_where_it_was_truncated(tmp_path, follower):
    log = tmp_path / "a.log"
    lines = [b"%03d %s" % (number, b"x" * 1000) for number in range(800)]
    append(log, b"\n".join(lines) + b"\n")
    following = follower(log)
    assert following.read() == lines
    os.truncate(log, 600 * 1005)
    again = following.read()
    assert again == lines[600 - len(again) : 600], "what follows the last mark, as it stands at the end"
    assert len(again) <= rungs.RUNG_BYTES // 1000 + 1


def test_a_short_log_that_begins_like_the_one_before_is_read_from_its_start(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, "starting\n")
    following = follower(log)
    following.read()
    append(log, "working\n" * 100)
    following.read()
    log.write_text("starting\nworking\n")
    assert following.read() == [b"starting", b"working"]


def test_a_record_in_hand_is_handed_out_when_its_file_is_truncated(tmp_path, follower, monkeypatch):
    monkeypatch.setattr(records, "SILENCE_S", 3600.0)
    log = tmp_path / "a.log"
    append(log, "Traceback (most recent call last):\n  File 'a'\nhalf")
    following = follower(log)
    following.read()
    log.write_bytes(b"")
    assert b"\n".join(following.read()) == b"Traceback (most recent call last):\n  File 'a'\nhalf"


def test_space_that_was_allocated_is_read_as_it_is_written(tmp_path, follower):
    log = tmp_path / "a.log"
    log.write_bytes(b"\0" * 3 * MB)
    following = follower(log)
    assert following.read() == []
    with log.open("r+b") as file:
        for part in (b"first\n", b"sec", b"ond\n", b"third\n" * 2000, b"last\n"):
            file.write(part)
            file.flush()
            following.read()
    assert [len(following.ids), len(set(following.ids))] == [2003, 2003]
    assert following.figures()["a.log"].size == following.figures()["a.log"].offset == 6 + 7 + 12_000 + 5


def test_nuls_left_by_a_crash_are_passed_and_counted(tmp_path, follower):
    log = tmp_path / "a.log"
    log.write_bytes(b"before\nha" + b"\0" * 2 * MB)
    following = follower(log)
    assert following.read() == [b"before"]
    append(log, "after\n")
    assert following.read() == [b"ha", b"after"]
    assert following.figures()["a.log"].nul_runs == 1
    assert following.again(log).read() == []


def test_a_writer_that_goes_on_at_its_old_place_after_truncation_is_followed(tmp_path, follower):
    log = tmp_path / "a.log"
    with log.open("wb") as writer:
        writer.write(b"one\n" * 1000)
        writer.flush()
        following = follower(log)
        assert len(following.read()) == 1000
        os.truncate(log, 0)
        writer.write(b"two\n")
        writer.flush()
        assert following.read() == [b"two"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_line_of_100_mb_takes_bounded_memory(tmp_path, follower, keep):
    log = tmp_path / "a.log"
    with log.open("wb") as file:
        for _ in range(100):
            file.write(b"x" * MB)
        file.write(b"\nnext\n")
    following = follower(log, how=Format(max_line=MB, keep_long=keep))
    tracemalloc.start()
    found = following.read()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(text) for text in found] == ([MB] if keep else []) + [4]
    assert following.figures()["a.log"].cut == 1
    assert most < 16 * MB


def test_a_restart_inside_a_line_that_was_cut_does_not_read_its_rest(tmp_path, follower):
    log = tmp_path / "a.log"
    how = Format(max_line=10)
    append(log, "a" * 50)
    first = follower(log, how=how)
    assert first.read() == [b"a" * 10]
    append(log, "b" * 50 + "\nnext\n")
    assert first.again(log, how=how).read() == [b"next"]


def test_a_character_divided_between_two_reads_is_whole(tmp_path, follower):
    log = tmp_path / "a.log"
    line = '{"灯":"光"}\n'.encode()
    following = follower(log)
    found = []
    for byte in line:
        append(log, bytes([byte]))
        found += following.read()
    assert found == [line[:-1]]


def test_a_file_in_another_encoding_is_read_on_after_a_restart(tmp_path, follower):
    log = tmp_path / "a.log"
    how = Format(encoding("gb18030"))
    append(log, "灯光\n半".encode("gb18030"))
    first = follower(log, how=how)
    assert first.read() == ["灯光".encode()]
    append(log, "行\n".encode("gb18030"))
    assert first.again(log, how=how).read() == ["半行".encode()]


def test_a_marked_file_is_read_on_after_a_restart(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, b"\xff")
    first = follower(log)
    assert first.read() == []
    append(log, b"\xfe" + "灯\r\n半".encode("utf-16-le"))
    assert first.read() == ["灯".encode()]
    append(log, "行\n".encode("utf-16-le"))
    assert first.again(log).read() == ["半行".encode()]


def test_a_windows_line_end_may_fall_between_two_reads(tmp_path, follower):
    log = tmp_path / "a.log"
    following = follower(log)
    found = []
    for part in ("one\r", "\ntwo\r\n", "\r\nthree", "\r\n"):
        append(log, part)
        found += following.read()
    assert found == [b"one", b"two", b"three"]
