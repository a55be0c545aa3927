"""Following files through everything that happens to log files."""

from __future__ import annotations

import os

import pytest

from safelight.services import profile
from safelight.services.joiner import Joiner
from safelight.tail import records, tailer
from safelight.tail.tailer import Tailer


class Follower:
    """A tailer, stepped by hand; commits what it is given, like the store."""

    def __init__(self, *patterns, resume=None, service=None, **options):
        self.committed = dict(resume or {})
        self.troubles = []
        self.tailer = Tailer(
            [str(p) for p in patterns],
            lambda: Joiner(profile(service).grammar),
            dict(self.committed),
            on_trouble=lambda path, reason: self.troubles.append((os.path.basename(path), reason)),
            **options,
        )
        self.ids = []

    def step(self):
        step = self.tailer.step()
        if step is None:
            return None
        for key, value in step.positions.items():
            if value is None:
                self.committed.pop(key, None)
            else:
                self.committed[key] = value
        self.ids += [id_ for found in step.records for id_ in found.ids()]
        return [text for found in step.records for text in found.texts]

    def read(self):
        found = []
        while (texts := self.step()) is not None:
            found += texts
        return found

    def again(self, *patterns, **options):
        self.tailer.close()
        return Follower(*patterns, resume=self.committed, **options)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(tailer, "RESCAN_S", 0.0)
    monkeypatch.setattr(records, "SILENCE_S", 0.0)


def append(path, text):
    with path.open("ab") as file:
        file.write(text.encode())


def test_a_file_is_read_from_its_start_and_then_followed(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n{"n":2}\n')
    follower = Follower(tmp_path / "*.log")
    assert follower.read() == [b'{"n":1}', b'{"n":2}']
    append(log, '{"n":3}\n')
    assert follower.read() == [b'{"n":3}']


def test_a_half_line_waits_for_its_end(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n{"n":')
    follower = Follower(log)
    assert follower.read() == [b'{"n":1}']
    append(log, "2}\n")
    assert follower.read() == [b'{"n":2}']


def test_reading_goes_on_where_it_was_committed(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n{"n":')
    first = Follower(log)
    first.read()
    append(log, '2}\n{"n":3}\n')
    second = first.again(log)
    assert second.read() == [b'{"n":2}', b'{"n":3}']
    assert second.again(log).read() == []


def test_what_is_read_again_has_the_same_ids(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    first = Follower(log)
    first.read()
    before_second_line = dict(first.committed)
    append(log, '{"n":2}\n')
    first.read()
    second = Follower(log, resume=before_second_line)
    second.read()
    assert second.ids == first.ids[1:]


def test_rotation_by_rename_loses_and_doubles_nothing(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    follower = Follower(log)
    follower.read()
    append(log, '{"n":2}\n{"n":3}')  # written just before the rotation, the last line without its end
    log.rename(tmp_path / "a.log.1")
    append(log, '{"n":4}\n')
    assert sorted(follower.read()) == [b'{"n":2}', b'{"n":3}', b'{"n":4}']
    assert follower.tailer.following == 1


def test_a_renamed_file_that_still_matches_is_not_read_twice(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    follower = Follower(tmp_path / "a.log*")
    follower.read()
    log.rename(tmp_path / "a.log.1")
    append(log, '{"n":2}\n')
    assert follower.read() == [b'{"n":2}']


def test_rotation_while_nobody_looked_still_reads_the_rest(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    first = Follower(log)
    first.read()
    append(log, '{"n":2}\n')
    log.rename(tmp_path / "a.log.1")
    append(log, '{"n":3}\n')
    assert sorted(first.again(log).read()) == [b'{"n":2}', b'{"n":3}']


def test_a_deleted_file_is_read_to_its_end(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    follower = Follower(log)
    follower.read()
    append(log, '{"n":2}\n')
    log.unlink()
    assert follower.read() == [b'{"n":2}']
    assert follower.tailer.following == 0
    assert follower.committed == {}


def test_a_truncated_file_is_new_content_with_new_ids(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n{"n":2}\n')
    follower = Follower(log)
    follower.read()
    log.write_bytes(b"")
    follower.read()
    append(log, '{"n":1}\n')
    assert follower.read() == [b'{"n":1}']
    assert len(set(follower.ids)) == 3


def test_a_file_truncated_and_already_longer_again_is_new_content(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    follower = Follower(log)
    follower.read()
    log.write_text('{"other":1}\n{"other":2}\n')
    assert follower.read() == [b'{"other":1}', b'{"other":2}']


def test_an_inode_used_again_is_another_file(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    first = Follower(log)
    first.read()
    log.write_bytes(b'{"other":1}\n{"other":2}\n')
    assert first.again(log).read() == [b'{"other":1}', b'{"other":2}']


def test_only_what_follows_is_read_when_asked_to_begin_at_the_end(tmp_path):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    follower = Follower(tmp_path / "*.log", read_from="end")
    assert follower.read() == []
    append(log, '{"n":2}\n')
    append(tmp_path / "later.log", '{"n":3}\n')
    assert sorted(follower.read()) == [b'{"n":2}', b'{"n":3}']


def test_a_traceback_is_one_record_and_its_position_waits_for_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "SILENCE_S", 3600.0)
    log = tmp_path / "comfyui.log"
    follower = Follower(log, service="comfyui")
    append(log, "got prompt\n!!! Exception during processing !!! boom\nTraceback (most recent call last):\n")
    assert follower.read() == [b"got prompt"]
    append(log, '  File "x.py", line 1, in f\nValueError: boom\n\nPrompt executed in 0.08 seconds\n')
    (failure,) = follower.read()
    assert failure.startswith(b"!!! Exception")
    assert failure.endswith(b"ValueError: boom")


def test_a_file_that_cannot_be_read_is_reported_once_and_read_later(tmp_path, monkeypatch):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    real_open, locked = os.open, True

    def guarded(path, *args, **kwargs):
        if locked and str(path).endswith("a.log"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", guarded)
    follower = Follower(log)
    assert follower.read() == []
    assert follower.read() == []
    assert follower.troubles == [("a.log", "Permission denied")]
    locked = False
    assert follower.read() == [b'{"n":1}']


def test_directories_and_pipes_in_the_glob_are_passed_over(tmp_path):
    (tmp_path / "d.log").mkdir()
    os.mkfifo(tmp_path / "p.log")
    append(tmp_path / "a.log", '{"n":1}\n')
    assert Follower(tmp_path / "*.log").read() == [b'{"n":1}']


def test_excluded_names_are_passed_over(tmp_path):
    append(tmp_path / "a.log", '{"n":1}\n')
    append(tmp_path / "b.log.gz", "binary\n")
    assert Follower(tmp_path / "*", exclude=["*.gz"]).read() == [b'{"n":1}']


def test_a_busy_file_leaves_room_for_a_quiet_one(tmp_path):
    append(tmp_path / "busy.log", '{"busy":"' + "x" * 2000 + '"}\n')
    with (tmp_path / "busy.log").open("ab") as file:
        for _ in range(6000):
            file.write(b'{"busy":"' + b"x" * 2000 + b'"}\n')
    append(tmp_path / "quiet.log", '{"quiet":1}\n')
    follower = Follower(tmp_path / "*.log")
    assert b'{"quiet":1}' in follower.step()
