import errno
import fcntl
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from safelight_emit import spool as module
from safelight_emit.spool import FILE_BYTES_LEAST, Spool, default_directory, tidy

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
LINE = b'{"a":1}\n'
BLOCK = (b"x" * 999 + b"\n") * 40  # 40 lines, more than half of the least file


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**settings):
        made.append(Spool(str(tmp_path), "id photo", "gpu-1.local", file_bytes=FILE_BYTES_LEAST, **settings))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


def files(spool):
    return sorted(Path(spool.folder).iterdir())


def test_the_folder_names_service_host_time_and_process(make):
    spool = make()
    spool.write(LINE, 1, NOON)
    name = Path(spool.folder).name
    assert re.fullmatch(rf"id_photo-gpu_1\.local-\d{{8}}T\d{{6}}Z-{os.getpid()}", name)
    assert [file.name for file in files(spool)] == ["events-20261122-000001.ndjson"]


def test_nobody_else_may_read_it(make):
    spool = make()
    spool.write(LINE, 1, NOON)
    assert stat.S_IMODE(os.stat(spool.folder).st_mode) == 0o700
    assert stat.S_IMODE(files(spool)[0].stat().st_mode) == 0o600


def test_two_writers_in_one_process_get_two_folders(make):
    first, second = make(), make()
    first.write(LINE, 1, NOON)
    second.write(LINE, 1, NOON)
    assert first.folder != second.folder


def test_a_file_that_would_grow_beyond_its_size_is_followed_by_the_next(make):
    spool = make()
    for _ in range(3):
        spool.write(BLOCK, 40, NOON)
    assert [file.stat().st_size for file in files(spool)] == [len(BLOCK)] * 3


def test_a_new_utc_day_starts_a_new_file_that_sorts_later(make):
    spool = make()
    spool.write(LINE, 1, NOON)
    spool.write(LINE, 1, NOON + 86_400)
    assert [file.name for file in files(spool)] == ["events-20261122-000001.ndjson", "events-20261123-000002.ndjson"]


def test_beyond_the_cap_the_oldest_file_goes_and_its_lines_are_counted(make):
    spool = make(files=3)
    for _ in range(5):
        spool.write(BLOCK, 40, NOON)
    assert [file.name[-11:-7] for file in files(spool)] == ["0003", "0004", "0005"]
    assert spool.lost == 80


def test_files_that_the_reader_deleted_count_neither_as_kept_nor_as_lost(make):
    spool = make(files=2)
    for _ in range(4):
        spool.write(BLOCK, 40, NOON)
        for finished in files(spool)[:-1]:
            finished.unlink()
    assert spool.lost == 0


def test_the_file_in_use_is_locked_and_a_finished_one_is_not(make):
    spool = make()
    spool.write(BLOCK, 40, NOON)
    spool.write(BLOCK, 40, NOON)
    finished, used = files(spool)
    with finished.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with used.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def held_for(monkeypatch, asked):
    """Another process asks for the lock so long that it is refused to us `asked` times."""
    left, real = [asked], fcntl.flock

    def flock(fd, how):
        if left[0]:
            left[0] -= 1
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        real(fd, how)

    monkeypatch.setattr(module.fcntl, "flock", flock)
    monkeypatch.setattr(module, "LOCK_PAUSE", 0)


@pytest.mark.parametrize("asked", [1, module.LOCK_TRIES - 1])
def test_a_reader_that_looks_whether_the_file_is_in_use_does_not_keep_its_writer_from_the_lock(
    make, monkeypatch, asked
):
    spool = make()
    held_for(monkeypatch, asked)
    spool.write(LINE, 1, NOON)
    monkeypatch.undo()
    with files(spool)[0].open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_a_lock_that_somebody_keeps_stops_no_writing(make, monkeypatch):
    spool = make()
    held_for(monkeypatch, 1000)
    spool.write(LINE, 1, NOON)
    assert files(spool)[0].read_bytes() == LINE


@pytest.mark.parametrize("victim", ["file", "folder"])
def test_what_is_removed_underway_is_started_anew_without_losing_the_write(make, victim):
    spool = make()
    spool.write(LINE, 1, NOON)
    files(spool)[0].unlink()
    if victim == "folder":
        Path(spool.folder).rmdir()
    spool.write(LINE * 2, 2, NOON)
    assert b"".join(file.read_bytes() for file in files(spool)) == LINE * 2


@pytest.fixture
def full_disk(monkeypatch):
    """A disk with room for some bytes: what fits is written, then ENOSPC, as a real one does."""
    room = [0]
    real = os.write

    def write(fd, data):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(fd, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(module.os, "write", write)
    return room


@pytest.mark.parametrize("room", [0, 3, len(LINE), len(LINE) + 3])
def test_a_write_that_a_full_disk_cut_goes_on_where_it_stopped(make, full_disk, room):
    spool = make()
    full_disk[0] = room
    with pytest.raises(OSError, match="No space"):
        spool.write(LINE * 2, 2, NOON)
    full_disk[0] = 1000
    spool.write(LINE * 2, 2, NOON)
    spool.write(LINE, 1, NOON)
    assert files(spool)[0].read_bytes() == LINE * 3


def test_after_a_cut_write_a_new_file_begins_with_a_whole_line(make, full_disk):
    spool = make()
    full_disk[0] = len(LINE) + 3
    with pytest.raises(OSError, match="No space"):
        spool.write(LINE * 2, 2, NOON)
    full_disk[0] = 1000
    spool.write(LINE * 2, 2, NOON + 86_400)
    assert files(spool)[1].read_bytes() == LINE


def ended_process(root, name, contents):
    folder = root / name
    folder.mkdir()
    for number, content in enumerate(contents, 1):
        (folder / f"events-20261121-{number:06d}.ndjson").write_bytes(content)
    return folder


def test_tidying_deletes_the_oldest_files_of_ended_processes_of_the_service_alone(tmp_path):
    oldest = ended_process(tmp_path, "photo-a-20261120T000000Z-1", [LINE * 10])
    older = ended_process(tmp_path, "photo-b-20261121T000000Z-1", [LINE * 10, LINE * 10])
    other = ended_process(tmp_path, "photo_x-a-20261119T000000Z-1", [LINE * 10])
    assert tidy(str(tmp_path), "photo", len(LINE) * 10) == 20
    assert not oldest.exists()
    assert [file.name for file in older.iterdir()] == ["events-20261121-000002.ndjson"]
    assert len(list(other.iterdir())) == 1


def test_tidying_leaves_a_living_process_alone(tmp_path):
    living = ended_process(tmp_path, "photo-a-20261120T000000Z-1", [LINE, LINE])
    with (living / "events-20261121-000002.ndjson").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert tidy(str(tmp_path), "photo", 0) == 0
    assert tidy(str(tmp_path), "photo", 0) == 2
    assert not living.exists()


def test_a_new_process_counts_what_it_tidied_away(make, tmp_path):
    ended_process(tmp_path, "id_photo-a-20261120T000000Z-1", [LINE * 10])
    spool = make(ended_bytes=0)
    spool.write(LINE, 1, NOON)
    assert spool.lost == 10


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SAFELIGHT_SPOOL": "/s", "XDG_STATE_HOME": "/x"}, "/s"),
        ({"SAFELIGHT_SPOOL": "~/s"}, "/h/s"),
        ({"XDG_STATE_HOME": "/x"}, "/x/safelight/spool"),
        ({"XDG_STATE_HOME": "relative"}, "/h/.local/state/safelight/spool"),
        ({}, "/h/.local/state/safelight/spool"),
    ],
)
def test_the_directory_is_found_as_the_contract_says(monkeypatch, environment, expected):
    for name in ("SAFELIGHT_SPOOL", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/h")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_directory() == expected


def test_on_windows_it_lies_in_the_local_application_data(monkeypatch):
    monkeypatch.delenv("SAFELIGHT_SPOOL", raising=False)
    monkeypatch.setattr(module.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/c/local")
    assert default_directory() == "/c/local/safelight/spool"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    for name in ("SAFELIGHT_SPOOL", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module.os.path, "expanduser", lambda path: path)
    with pytest.raises(OSError, match="SAFELIGHT_SPOOL"):
        default_directory()
