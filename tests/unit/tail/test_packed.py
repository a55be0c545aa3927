"""Compressed history: read once, as a whole, and not what was read before it was compressed."""

from __future__ import annotations

import gzip
import os

import pytest
import zstandard

from safelight.tail import follow, packed


def lines(start, count):
    return b"".join(b'{"line":%d,"of":"some log"}\n' % number for number in range(start, start + count))


def pack(path, content):
    data = gzip.compress(content) if path.suffix == ".gz" else zstandard.compress(content)
    path.write_bytes(data)
    return data


def append(path, content):
    with path.open("ab") as file:
        file.write(content)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_packed_file_is_read_once_also_across_a_restart(tmp_path, follower, suffix):
    pack(tmp_path / f"a.log.1{suffix}", lines(0, 3) + b"the end")
    first = follower(tmp_path / "*.log*")
    assert first.read() == [*lines(0, 3).splitlines(), b"the end"]
    assert first.read() == []
    assert first.again(tmp_path / "*.log*").read() == []


def test_a_packed_file_is_read_on_where_it_was_committed(tmp_path, follower, monkeypatch):
    monkeypatch.setattr(follow, "TURN_BYTES", 1000)
    monkeypatch.setattr(packed, "TURN_BYTES", 1000)
    pack(tmp_path / "a.log.gz", lines(0, 50_000))
    first = follower(tmp_path / "*.gz")
    found = first.step() + first.step()
    ids = list(first.ids)
    second = first.again(tmp_path / "*.gz")
    busy = True
    while busy:
        found += second.step() or []
        busy = second.tailer.due_s() is not None
    assert found == lines(0, 50_000).splitlines()
    assert len({id_[:16] for id_ in ids + second.ids}) == 1


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("restarts", [True, False])
def test_a_log_that_was_read_and_then_packed_is_not_read_twice(tmp_path, follower, suffix, restarts):
    log = tmp_path / "a.log"
    append(log, lines(0, 30))
    following = follower(tmp_path / "*.log*")
    following.read()
    append(log, lines(30, 5))
    if restarts:
        following = following.again(tmp_path / "*.log*")
    else:
        assert following.read() == lines(30, 5).splitlines()
    content = log.read_bytes()
    log.unlink()
    pack(tmp_path / f"a.log.1{suffix}", content)
    assert following.read() == (lines(30, 5).splitlines() if restarts else [])


def test_a_log_that_was_rotated_out_of_sight_before_it_was_packed_is_not_read_twice(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, lines(0, 30))
    following = follower(log, tmp_path / "*.gz")
    following.read()
    log.rename(tmp_path / "a.log.1")
    append(log, lines(30, 5))
    assert following.read() == lines(30, 5).splitlines()
    pack(tmp_path / "a.log.1.gz", lines(0, 30))
    (tmp_path / "a.log.1").unlink()
    assert following.read() == []
    (tmp_path / "a.log.1.gz").rename(tmp_path / "a.log.2.gz")
    assert following.again(log, tmp_path / "*.gz").read() == []


def test_a_packed_log_waits_for_the_rest_of_what_is_being_read(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, lines(0, 30) + b"half")
    following = follower(tmp_path / "*.log*")
    following.read()
    pack(tmp_path / "a.log.1.gz", lines(0, 30) + b"half\n")
    assert following.read() == []
    append(log, b"\n")
    assert following.read() == [b"half"]


def test_another_content_with_the_same_head_is_read(tmp_path, follower):
    append(tmp_path / "a.log", lines(0, 30) + lines(100, 30))
    following = follower(tmp_path / "*.log*")
    following.read()
    pack(tmp_path / "b.log.gz", lines(0, 30) + lines(200, 300))
    assert following.read() == (lines(0, 30) + lines(200, 300)).splitlines()


def test_a_file_that_is_still_being_packed_is_waited_for(tmp_path, follower, monkeypatch):
    data = gzip.compress(lines(0, 2000))
    target = tmp_path / "a.log.gz"
    target.write_bytes(data[:20])
    monkeypatch.setattr(packed, "SETTLE_S", 3600.0)
    following = follower(tmp_path / "*.gz")
    assert following.read() == []
    assert following.troubles == []
    os.utime(target, (1, 1))
    following.read()
    assert [path for path, _ in following.troubles] == ["a.log.gz"]
    target.write_bytes(data)
    os.utime(target, (2, 2))
    found = []
    while len(found) < 2000:
        found += following.read()
    assert found == lines(0, 2000).splitlines()
    assert following.recovered == ["a.log.gz"]


def test_what_stands_before_damage_is_read_and_the_damage_told(tmp_path, follower):
    whole = gzip.compress(lines(0, 20)), gzip.compress(lines(20, 5000))
    (tmp_path / "a.gz").write_bytes(whole[0] + b"damage" * 10)
    following = follower(tmp_path / "*.gz")
    found = following.read()
    assert found == lines(0, 20).splitlines()
    assert len(following.troubles) == 1
    assert following.read() == []
    (tmp_path / "a.gz").write_bytes(whole[0] + whole[1])
    found += following.read()
    assert found == lines(0, 5020).splitlines()


def test_members_that_are_added_are_read(tmp_path, follower):
    pack(tmp_path / "a.gz", lines(0, 3))
    following = follower(tmp_path / "*.gz")
    following.read()
    append(tmp_path / "a.gz", gzip.compress(lines(3, 2)))
    assert following.read() == lines(3, 2).splitlines()


def test_history_is_passed_over_when_reading_begins_at_the_end(tmp_path, follower):
    pack(tmp_path / "a.gz", lines(0, 3))
    following = follower(tmp_path / "*.gz", read_from="end")
    assert following.read() == []
    assert following.again(tmp_path / "*.gz").read() == []


def test_a_packed_file_that_is_none_is_told_of_once(tmp_path, follower):
    (tmp_path / "a.gz").write_bytes(b"no gzip")
    following = follower(tmp_path / "*.gz")
    assert [following.read(), following.read()] == [[], []]
    assert [path for path, _ in following.troubles] == ["a.gz"]
    (tmp_path / "a.gz").unlink()
    following.read()
    assert following.tailer.following == 0


def test_a_packed_file_that_may_not_be_read_is_read_later(tmp_path, follower, monkeypatch):
    pack(tmp_path / "a.gz", lines(0, 3))
    locked, real = True, open

    def guarded(path, *args, **kwargs):
        if locked and str(path).endswith("a.gz"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", guarded)
    following = follower(tmp_path / "*.gz")
    assert [following.read(), following.read()] == [[], []]
    assert following.troubles == [("a.gz", "Permission denied")]
    locked = False
    assert following.read() == lines(0, 3).splitlines()
    assert following.recovered == ["a.gz"]


def test_an_empty_packed_file_is_nothing(tmp_path, follower):
    pack(tmp_path / "a.gz", b"")
    (tmp_path / "b.gz").touch()
    following = follower(tmp_path / "*.gz")
    assert following.read() == []
    assert following.troubles == []
