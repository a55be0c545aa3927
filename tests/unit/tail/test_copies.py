"""A copy of what was read is not read again, and what only looks like one is."""

from __future__ import annotations

import os
import shutil

import pytest

from safelight.tail import copies, follow, tailer


def lines(start, count):
    return b"".join(b'{"line":%d,"of":"some log"}\n' % number for number in range(start, start + count))


def append(path, content):
    with path.open("ab") as file:
        file.write(content)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "a.log"
    append(path, lines(0, 30))
    return path


def test_a_copy_gives_the_lines_that_were_not_read_before_the_truncation(tmp_path, follower, log):
    following = follower(tmp_path / "*.log*")
    following.read()
    append(log, lines(30, 2))
    shutil.copy(log, tmp_path / "a.log.1")
    os.truncate(log, 0)
    append(log, lines(32, 2))
    assert sorted(following.read()) == lines(30, 4).splitlines()


def test_a_copy_that_is_seen_before_the_truncation_waits_for_it(tmp_path, follower, log):
    following = follower(tmp_path / "*.log*")
    following.read()
    content = log.read_bytes()
    for end in (len(content) // 2, len(content)):
        (tmp_path / "a.log.1").write_bytes(content[:end])
        assert following.read() == []
    os.truncate(log, 0)
    assert following.read() == []


def test_a_half_line_whose_end_stands_in_a_copy_not_seen_yet_is_read_there(tmp_path, follower, log, monkeypatch):
    following = follower(tmp_path / "*.log*")
    append(log, b"the first half")
    following.read()
    monkeypatch.setattr(tailer, "RESCAN_S", 3600.0)
    following.step()  # from here on it looks for new files by itself no more
    append(log, b" and the second\n")
    shutil.copy(log, tmp_path / "a.log.1")
    os.truncate(log, 0)
    append(log, lines(32, 2))
    assert sorted(following.read()) == sorted([*lines(32, 2).splitlines(), b"the first half and the second"])


@pytest.mark.parametrize("in_between", [b"", lines(30, 2)])
def test_a_copy_made_while_nobody_looked_is_recognised(tmp_path, follower, log, in_between):
    first = follower(tmp_path / "*.log*")
    first.read()
    append(log, in_between)
    shutil.copy(log, tmp_path / "a.log.1")
    os.truncate(log, 0)
    second = first.again(tmp_path / "*.log*")
    assert second.read() == in_between.splitlines()
    assert second.again(tmp_path / "*.log*").read() == []


def test_a_copy_is_recognised_also_of_a_file_that_was_closed(tmp_path, follower, log, monkeypatch):
    monkeypatch.setattr(tailer, "MOST_OPEN", 0)
    following = follower(tmp_path / "*.log*")
    following.read()
    shutil.copy(log, tmp_path / "a.log.1")
    assert following.read() == []
    os.truncate(log, 0)
    assert following.read() + following.read() + following.read() == []


def test_a_copy_whose_original_was_deleted_is_recognised(tmp_path, follower, log):
    following = follower(tmp_path / "*.log*")
    following.read()
    shutil.copy(log, tmp_path / "moved.log")
    log.unlink()
    assert following.read() == []


def test_a_copy_that_is_kept_beside_its_original_is_a_file_of_its_own(tmp_path, follower, log, monkeypatch):
    following = follower(tmp_path / "*.log*")
    following.read()
    shutil.copy(log, tmp_path / "b.log")
    assert following.read() == []
    monkeypatch.setattr(copies, "HOLD_S", 0.0)
    assert following.read() == lines(0, 30).splitlines()


def test_a_file_that_begins_alike_and_goes_on_otherwise_is_read_at_once(tmp_path, follower, log):
    following = follower(tmp_path / "*.log*")
    following.read()
    append(tmp_path / "b.log", lines(0, 20) + lines(100, 20))
    assert following.read() == (lines(0, 20) + lines(100, 20)).splitlines()


def test_a_file_that_is_made_again_with_the_same_content_is_read(tmp_path, follower, log):
    following = follower(tmp_path / "*.log*")
    following.read()
    log.unlink()
    append(log, lines(0, 30))
    assert following.read() == lines(0, 30).splitlines()


def test_a_file_written_after_another_was_truncated_is_no_copy_of_it(tmp_path, follower, log):
    following = follower(tmp_path / "*.log*")
    following.read()
    os.truncate(log, 0)
    following.read()
    append(tmp_path / "b.log", lines(0, 30))
    later = log.stat().st_mtime_ns + 3600 * 10**9
    os.utime(tmp_path / "b.log", ns=(later, later))
    assert following.read() == lines(0, 30).splitlines()


def test_a_copy_that_is_deleted_before_it_was_understood_is_read(tmp_path, follower, log):
    following = follower(tmp_path / "*.log*")
    following.read()
    shutil.copy(log, tmp_path / "b.log")
    assert following.read() == []
    (tmp_path / "b.log").unlink()
    assert following.read() == lines(0, 30).splitlines()
    assert following.tailer.following == 1


@pytest.mark.parametrize("then", ["restarts", "is idle"])
def test_a_copy_that_got_the_inode_of_an_emptied_file_is_recognised(tmp_path, follower, log, monkeypatch, then):
    other = tmp_path / "b.log"
    append(other, b"of no matter\n")
    following = follower(tmp_path / "*.log*")
    following.read()
    os.truncate(other, 0)
    following.read()
    if then == "restarts":
        following = following.again(tmp_path / "*.log*")
    else:  # while it is open its inode is not given to another
        monkeypatch.setattr(follow, "IDLE_S", 0.0)
        append(log, lines(30, 1))
        following.read()
    other.rename(tmp_path / "a.log.1")
    shutil.copyfile(log, tmp_path / "a.log.1")
    assert following.read() == []
    os.truncate(log, 0)
    assert following.read() + following.read() == []
