"""Many files: turns, descriptors, age, and what is no file."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from tempfile import TemporaryDirectory

import pytest

from safelight.tail import copies, follow, known, tailer

MB = 1024 * 1024


def append(path, text):
    with path.open("ab") as file:
        file.write(text.encode())


def open_files():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_a_thousand_files_are_followed_with_few_descriptors(tmp_path, follower, monkeypatch):
    monkeypatch.setattr(tailer, "MOST_OPEN", 20)
    for number in range(1000):
        append(tmp_path / f"{number}.log", f'{{"file":{number}}}\n{{"half":')
    before = open_files()
    following = follower(tmp_path / "*.log")
    assert len(following.read()) == 1000
    assert open_files() - before <= 25
    for number in range(0, 1000, 7):
        append(tmp_path / f"{number}.log", "1}\n")
    assert following.read() == [b'{"half":1}'] * 143
    assert open_files() - before <= 25


def test_only_files_that_begin_alike_are_compared(tmp_path, follower, monkeypatch):
    compared = []
    real = copies._is_twin
    monkeypatch.setattr(copies, "_is_twin", lambda *args: compared.append(args) or real(*args))
    for number in range(100):
        append(tmp_path / f"{number}.log", f'{{"file":{number % 99}}}\n' * 30)
    following = follower(tmp_path / "*.log")
    assert len(following.read()) == 99 * 30, "one is like another, and waits"
    assert {args[0].path for args in compared} < {str(tmp_path / "0.log"), str(tmp_path / "99.log")}


def test_a_folder_is_listed_once_however_many_files_left_it(tmp_path, follower, monkeypatch):
    for number in range(100):
        append(tmp_path / f"{number}.log", f'{{"file":{number}}}\n')
    following = follower(tmp_path / "*.log")
    following.read()
    for path in tmp_path.iterdir():
        path.unlink()
    listed = []
    real = known._listed
    monkeypatch.setattr(known, "_listed", lambda folder: listed.append(folder) or real(folder))
    assert following.read() == []
    assert following.committed == {}
    assert listed == [str(tmp_path)]


def test_a_closed_file_that_was_rotated_with_unread_lines_is_read_to_its_end(tmp_path, follower, monkeypatch):
    monkeypatch.setattr(tailer, "MOST_OPEN", 0)
    log = tmp_path / "a.log"
    append(log, "one\n")
    following = follower(tmp_path / "*.log")
    assert following.read() == [b"one"]
    append(log, "two\n")
    log.rename(tmp_path / "a.log.1")
    append(log, "three\n")
    assert sorted(following.read()) == [b"three", b"two"]


def test_a_closed_file_that_was_truncated_is_new_content(tmp_path, follower, monkeypatch):
    monkeypatch.setattr(tailer, "MOST_OPEN", 0)
    log = tmp_path / "a.log"
    append(log, "one\ntwo\n")
    following = follower(log)
    following.read()
    log.write_text("three\n")
    assert following.read() + following.read() == [b"three"]


def test_an_idle_file_is_closed_and_opened_when_it_changes(tmp_path, follower, monkeypatch):
    monkeypatch.setattr(follow, "IDLE_S", 0.0)
    log = tmp_path / "a.log"
    append(log, "one\n")
    before = open_files()
    following = follower(log)
    assert following.read() == [b"one"]
    assert open_files() <= before
    append(log, "two\n")
    assert following.read() == [b"two"]


def test_each_file_has_its_turn_while_some_grow_faster_than_they_are_read(tmp_path, follower):
    for name in "abcdefgh":
        with (tmp_path / f"busy-{name}.log").open("wb") as file:
            file.write((b'{"busy":"' + b"x" * 1000 + b'"}\n') * 6 * 1024)
    append(tmp_path / "quiet.log", '{"quiet":1}\n')
    following = follower(tmp_path / "*.log")
    steps = 1
    while b'{"quiet":1}' not in following.step():
        steps += 1
    assert steps <= 3, "eight files of 1 MB a turn and 4 MB a step"


def test_files_that_were_not_written_to_for_long_are_passed_over(tmp_path, follower):
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    append(old, "old\n")
    append(new, "new\n")
    os.utime(old, (time.time() - 8 * 86400,) * 2)
    following = follower(tmp_path / "*.log", ignore_older_s=7 * 86400)
    assert following.read() == [b"new"]
    append(old, "again\n")
    assert following.read() == [b"old", b"again"]


def test_an_old_file_of_which_something_was_read_is_read_to_its_end(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, "one\n")
    first = follower(log, ignore_older_s=7 * 86400)
    first.read()
    append(log, "two\n")
    os.utime(log, (time.time() - 8 * 86400,) * 2)
    assert first.again(log, ignore_older_s=7 * 86400).read() == [b"two"]


def test_what_is_no_file_is_passed_over_without_waiting(tmp_path, follower):
    (tmp_path / "folder.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "nowhere.log").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    append(tmp_path / "a.log", "one\n")
    with TemporaryDirectory() as short, closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(f"{short}/s.log")
        assert follower(tmp_path / "*.log", f"{short}/*.log").read() == [b"one"]


def test_a_file_exchanged_for_a_pipe_is_not_waited_for(tmp_path, follower, monkeypatch):
    log = tmp_path / "a.log"
    append(log, "one\n")
    real = os.open

    def exchanging(path, *args, **kwargs):
        if str(path) == str(log) and log.is_file():
            log.unlink()
            os.mkfifo(log)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", exchanging)
    assert follower(log).read() == []


def test_a_folder_that_may_not_be_listed_is_told_of_until_it_may(tmp_path, follower, monkeypatch):
    folder = tmp_path / "closed"
    folder.mkdir()
    append(folder / "a.log", "one\n")
    real, closed = os.scandir, True

    def guarded(path):
        if closed and str(path) == str(folder):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    following = follower(folder / "*.log")
    assert following.read() == []
    assert following.troubles == [("closed", "Permission denied")]
    closed = False
    assert following.read() == [b"one"]
    assert following.recovered == ["closed"]


def test_a_link_that_is_pointed_elsewhere_is_followed_and_what_it_left_is_read_to_its_end(tmp_path, follower):
    targets = [tmp_path / "targets" / name for name in ("one", "two")]
    targets[0].parent.mkdir()
    link = tmp_path / "current.log"
    append(targets[0], "1\n")
    link.symlink_to(targets[0])
    following = follower(link)
    assert following.read() == [b"1"]
    assert targets[0].parent in following.tailer.folders()
    append(targets[0], "2\nthe end")
    append(targets[1], "3\n")
    link.unlink()
    link.symlink_to(targets[1])
    assert sorted(following.read()) == [b"2", b"3", b"the end"]
    assert following.tailer.following == 1


@pytest.mark.parametrize("leave", ["rename", "unlink"])
def test_a_file_is_held_for_a_while_for_who_still_writes_it(tmp_path, follower, monkeypatch, leave):
    monkeypatch.setattr(follow, "LINGER_S", 3600.0)
    log = tmp_path / "a.log"
    append(log, "one\n")
    with log.open("ab", buffering=0) as writer:
        following = follower(log)
        following.read()
        log.rename(tmp_path / "a.log.1") if leave == "rename" else log.unlink()
        assert following.read() == []
        writer.write(b"two\n")
        assert following.read() == [b"two"]
        monkeypatch.setattr(follow, "LINGER_S", 0.0)
        writer.write(b"the end")
        assert following.read() == [b"the end"]
    assert following.tailer.following == 0


def test_how_far_each_file_is_read_is_known(tmp_path, follower, monkeypatch):
    monkeypatch.setattr(tailer, "STEP_BYTES", 2 * MB)
    (tmp_path / "behind.log").write_bytes((b"{" + b"x" * 1022 + b"\n") * 5 * 1024)
    append(tmp_path / "half.log", '{"a":1}\n{"b":')
    following = follower(tmp_path / "*.log")
    following.step()
    following.step()
    figures = following.figures()
    assert figures["behind.log"].size == 5 * MB
    assert 0 < figures["behind.log"].offset < 5 * MB
    assert figures["behind.log"].lag_s > 0.0
    following.read()
    figures = following.figures()
    assert [figures["behind.log"].offset, figures["behind.log"].lag_s] == [5 * MB, 0.0]
    assert [figures["half.log"].size, figures["half.log"].offset] == [13, 8]
    assert following.bytes == 5 * MB + 13
