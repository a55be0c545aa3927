"""Following files through everything that happens to log files."""

from __future__ import annotations

import os

import pytest

from safelight.tail import known, records, tailer
from safelight.tail.batches import raw_batch
from safelight.tail.turn import Records


def append(path, text):
    with path.open("ab") as file:
        file.write(text.encode())


def test_a_file_is_read_from_its_start_and_then_followed(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n{"n":2}\n')
    following = follower(tmp_path / "*.log")
    assert following.read() == [b'{"n":1}', b'{"n":2}']
    append(log, '{"n":3}\n')
    assert following.read() == [b'{"n":3}']


def test_a_half_line_waits_for_its_end(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n{"n":')
    following = follower(log)
    assert following.read() == [b'{"n":1}']
    append(log, "2}\n")
    assert following.read() == [b'{"n":2}']


def test_reading_goes_on_where_it_was_committed(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n{"n":')
    first = follower(log)
    first.read()
    append(log, '2}\n{"n":3}\n')
    second = first.again(log)
    assert second.read() == [b'{"n":2}', b'{"n":3}']
    assert second.again(log).read() == []


def test_what_is_read_again_has_the_same_ids(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    first = follower(log)
    first.read()
    before_second_line = dict(first.committed)
    append(log, '{"n":2}\n')
    first.read()
    second = follower(log, resume=before_second_line)
    second.read()
    assert second.ids == first.ids[1:]


def test_rotation_by_rename_loses_and_doubles_nothing(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    following = follower(log)
    following.read()
    append(log, '{"n":2}\n{"n":3}')  # written just before the rotation, the last line without its end
    log.rename(tmp_path / "a.log.1")
    append(log, '{"n":4}\n')
    assert sorted(following.read()) == [b'{"n":2}', b'{"n":3}', b'{"n":4}']
    assert following.tailer.following == 1


def test_a_renamed_file_that_still_matches_is_not_read_twice(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    following = follower(tmp_path / "a.log*")
    following.read()
    log.rename(tmp_path / "a.log.1")
    append(log, '{"n":2}\n')
    assert following.read() == [b'{"n":2}']


def test_rotation_while_nobody_looked_still_reads_the_rest(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    first = follower(log)
    first.read()
    append(log, '{"n":2}\n')
    log.rename(tmp_path / "a.log.1")
    append(log, '{"n":3}\n')
    assert sorted(first.again(log).read()) == [b'{"n":2}', b'{"n":3}']


def test_a_deleted_file_is_read_to_its_end(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    following = follower(log)
    following.read()
    append(log, '{"n":2}\n')
    log.unlink()
    assert following.read() == [b'{"n":2}']
    assert following.tailer.following == 0
    assert following.committed == {}


def test_a_truncated_file_is_new_content_with_new_ids(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n{"n":2}\n')
    following = follower(log)
    following.read()
    log.write_bytes(b"")
    following.read()
    append(log, '{"n":1}\n')
    assert following.read() == [b'{"n":1}']
    assert len(set(following.ids)) == 3


def test_a_file_truncated_and_already_longer_again_is_new_content(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    following = follower(log)
    following.read()
    log.write_text('{"other":1}\n{"other":2}\n')
    assert following.read() == [b'{"other":1}', b'{"other":2}']


def test_an_inode_used_again_is_another_file(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    first = follower(log)
    first.read()
    log.write_bytes(b'{"other":1}\n{"other":2}\n')
    assert first.again(log).read() == [b'{"other":1}', b'{"other":2}']


def test_only_what_follows_is_read_when_asked_to_begin_at_the_end(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    following = follower(tmp_path / "*.log", read_from="end")
    assert following.read() == []
    append(log, '{"n":2}\n')
    append(tmp_path / "later.log", '{"n":3}\n')
    assert sorted(following.read()) == [b'{"n":2}', b'{"n":3}']


def test_a_traceback_is_one_record_and_its_position_waits_for_its_end(tmp_path, monkeypatch, follower):
    monkeypatch.setattr(records, "SILENCE_S", 3600.0)
    log = tmp_path / "comfyui.log"
    following = follower(log, service="comfyui")
    append(log, "got prompt\n!!! Exception during processing !!! boom\nTraceback (most recent call last):\n")
    assert following.read() == [b"got prompt"]
    append(log, '  File "x.py", line 1, in f\nValueError: boom\n\nPrompt executed in 0.08 seconds\n')
    (failure,) = following.read()
    assert failure.startswith(b"!!! Exception")
    assert failure.endswith(b"ValueError: boom")


def test_a_file_that_cannot_be_read_is_reported_once_and_read_later(tmp_path, monkeypatch, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    real_open, locked = os.open, True

    def guarded(path, *args, **kwargs):
        if locked and str(path).endswith("a.log"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", guarded)
    following = follower(log)
    assert following.read() == []
    assert following.read() == []
    assert following.troubles == [("a.log", "Permission denied")]
    assert following.recovered == []
    locked = False
    assert following.read() == [b'{"n":1}']
    assert following.recovered == ["a.log"]


def test_directories_and_pipes_in_the_glob_are_passed_over(tmp_path, follower):
    (tmp_path / "d.log").mkdir()
    os.mkfifo(tmp_path / "p.log")
    append(tmp_path / "a.log", '{"n":1}\n')
    assert follower(tmp_path / "*.log").read() == [b'{"n":1}']


def test_excluded_names_are_passed_over(tmp_path, follower):
    append(tmp_path / "a.log", '{"n":1}\n')
    append(tmp_path / "b.log.gz", "binary\n")
    assert follower(tmp_path / "*", exclude=["*.gz"]).read() == [b'{"n":1}']


def test_a_busy_file_leaves_room_for_a_quiet_one(tmp_path, follower):
    append(tmp_path / "busy.log", '{"busy":"' + "x" * 2000 + '"}\n')
    with (tmp_path / "busy.log").open("ab") as file:
        for _ in range(6000):
            file.write(b'{"busy":"' + b"x" * 2000 + b'"}\n')
    append(tmp_path / "quiet.log", '{"quiet":1}\n')
    following = follower(tmp_path / "*.log")
    assert b'{"quiet":1}' in following.step()


def test_a_file_that_leaves_the_glob_and_returns_is_not_read_twice(tmp_path, follower):
    log, elsewhere = tmp_path / "a.log", tmp_path / "a.log.away"
    append(log, '{"n":1}\n')
    following = follower(tmp_path / "*.log")
    following.read()
    log.rename(elsewhere)
    assert following.read() == []
    assert following.tailer.following == 0
    elsewhere.rename(log)
    append(log, '{"n":2}\n')
    assert following.read() == [b'{"n":2}']


@pytest.fixture
def disk(monkeypatch):
    """Failures that reading meets, by the end of its call's name."""
    failing = {}
    real = os.pread

    def pread(fd, length, offset):
        if "pread" in failing:
            raise OSError(failing["pread"], "Input/output error")
        return real(fd, length, offset)

    monkeypatch.setattr(os, "pread", pread)
    return failing


def test_after_an_error_of_the_disk_reading_goes_on_where_it_was(tmp_path, disk, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    following = follower(log)
    following.read()
    disk["pread"] = 5
    append(log, '{"n":2}\n')
    assert [following.read(), following.read(), following.read()] == [[], [], []]
    assert following.troubles == [("a.log", "Input/output error")], "one trouble is told once, however long it lasts"
    assert following.recovered == []
    assert len(following.committed) == 1, "nothing is forgotten because of it"
    del disk["pread"]
    assert following.read() == [b'{"n":2}']
    assert following.recovered == ["a.log"]
    assert len({id_[:16] for id_ in following.ids}) == 1


def test_a_file_begun_at_its_end_is_not_read_from_its_start_after_an_error(tmp_path, disk, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    following = follower(log, read_from="end")
    following.read()
    disk["pread"] = 5
    append(log, '{"n":2}\n')
    following.read()
    del disk["pread"]
    assert following.read() == [b'{"n":2}']


def test_what_a_missing_mount_hides_is_not_forgotten(tmp_path, monkeypatch, follower):
    mount, log = tmp_path / "mount", tmp_path / "mount" / "logs" / "a.log"
    log.parent.mkdir(parents=True)
    append(log, '{"n":1}\n')
    first = follower(log.parent / "*.log")
    first.read()
    mount.rename(tmp_path / "unmounted")
    mount.mkdir()
    real = known.device_of
    monkeypatch.setattr(known, "device_of", lambda folder: real(folder) + 1)
    assert first.read() == []
    second = first.again(log.parent / "*.log")
    assert second.read() == []
    mount.rmdir()
    (tmp_path / "unmounted").rename(mount)
    append(log, '{"n":2}\n')
    assert second.read() == [b'{"n":2}']


def test_a_file_whose_folder_was_deleted_is_forgotten(tmp_path, follower):
    log = tmp_path / "run" / "a.log"
    log.parent.mkdir()
    append(log, '{"n":1}\n')
    following = follower(tmp_path / "*" / "*.log")
    following.read()
    log.unlink()
    log.parent.rmdir()
    following.read()
    assert following.committed == {}


def test_rotated_files_are_forgotten_once_they_are_deleted(tmp_path, follower):
    log = tmp_path / "a.log"
    following = follower(log)
    for number in range(4):
        append(log, f'{{"n":{number}}}\n')
        following.read()
        log.rename(tmp_path / "a.log.1")  # over the one before
        following.read()
    assert len(following.ids) == 4
    assert len(following.committed) == 1


def test_a_link_that_leads_nowhere_does_not_keep_what_was_deleted_beside_it(tmp_path, follower):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nothing").symlink_to(tmp_path / "nowhere")
    append(tmp_path / "a.log", '{"n":1}\n')
    following = follower(tmp_path / "*.log")
    following.read()
    (tmp_path / "a.log").unlink()
    following.read()
    assert following.committed == {}


def test_a_name_that_is_no_utf_8_stops_nothing(tmp_path, follower):
    bad = os.fsencode(tmp_path) + b"/\xc4.log"
    with open(bad, "wb") as file:
        file.write(b'{"n":1}\n')
    append(tmp_path / "good.log", '{"n":2}\n')
    following = follower(tmp_path / "*.log")
    assert sorted(following.read()) == [b'{"n":1}', b'{"n":2}']
    assert following.paths == {str(tmp_path / "\\xc4.log"), str(tmp_path / "good.log")}
    assert raw_batch([Records(path, "p", [b"x"], [0]) for path in following.paths], {}).table.num_rows == 2


def test_trouble_with_a_name_that_is_no_utf_8_can_be_told(tmp_path, disk, follower):
    with open(os.fsencode(tmp_path) + b"/\xc4.log", "wb") as file:
        file.write(b'{"n":1}\n')
    following = follower(tmp_path / "*.log")
    disk["pread"] = 5
    following.read()
    del disk["pread"]
    following.read()
    assert [path for path, _ in following.troubles] == following.recovered == ["\\xc4.log"]


def test_a_folder_whose_name_is_no_utf_8_is_searched_for_what_was_rotated_away(tmp_path, follower):
    folder = os.fsencode(tmp_path) + b"/\xc4"
    os.mkdir(folder)
    with open(folder + b"/a.log", "wb") as file:
        file.write(b'{"n":1}\n')
    first = follower(tmp_path / "*" / "a.log")
    first.read()
    with open(folder + b"/a.log", "ab") as file:
        file.write(b'{"n":2}\n')
    os.rename(folder + b"/a.log", folder + b"/a.log.1")
    assert first.again(tmp_path / "*" / "a.log").read() == [b'{"n":2}']


def test_what_was_rotated_away_while_nobody_looked_keeps_its_name(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    first = follower(log)
    first.read()
    append(log, '{"n":2}\n')
    log.rename(tmp_path / "a.log.1")
    second = first.again(log)
    second.read()
    assert second.paths == {str(log)}
    (tmp_path / "a.log.1").unlink()
    third = second.again(log)
    third.read()
    assert third.committed == {}


@pytest.mark.parametrize(
    "foreign",
    [{"forward:7": "12"}, {"file:7": "12"}, {"file:a:b": "12"}, {"file:1:2": "no position"}, {"other:1:2:3": "{}"}],
)
def test_keys_and_values_of_other_forms_are_passed_over(tmp_path, foreign, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    following = follower(log, resume=foreign)
    assert following.read() == [b'{"n":1}']
    assert following.committed.items() > foreign.items()


def test_a_position_that_cannot_be_read_means_from_the_start(tmp_path, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    found = log.stat()
    assert follower(log, resume={f"file:{found.st_dev}:{found.st_ino}": "{}"}).read() == [b'{"n":1}']


def test_a_file_exchanged_while_it_is_opened_is_read_once(tmp_path, monkeypatch, follower):
    log = tmp_path / "a.log"
    append(log, '{"n":1}\n')
    real_open = os.open

    def exchanging(path, *args, **kwargs):
        if str(path).endswith("a.log") and not (tmp_path / "a.log.1").exists():
            log.rename(tmp_path / "a.log.1")
            append(log, '{"n":2}\n')
        return real_open(path, *args, **kwargs)

    following = follower(tmp_path / "a.log*")
    monkeypatch.setattr(os, "open", exchanging)
    assert sorted(following.read() + following.read()) == [b'{"n":1}', b'{"n":2}']


def test_a_home_is_expanded_in_what_is_left_out_too(tmp_path, monkeypatch, follower):
    monkeypatch.setenv("HOME", str(tmp_path))
    append(tmp_path / "a.log", '{"n":1}\n')
    append(tmp_path / "b.log", '{"n":2}\n')
    assert follower("~/*.log", exclude=["~/b.*"]).read() == [b'{"n":1}']


def test_a_link_that_is_gone_is_forgotten_also_where_files_and_links_lie_on_different_devices(
    tmp_path, monkeypatch, follower
):
    links, real = tmp_path / "links", known.device_of
    links.mkdir()
    monkeypatch.setattr(known, "device_of", lambda path: real(path) + (path == str(links)))
    for name in ("a.log", "b.log"):
        append(tmp_path / name, f'{{"n":"{name}"}}\n')
        (links / name).symlink_to(tmp_path / name)
    following = follower(links / "*.log")
    following.read()
    (links / "a.log").rename(links / "a.log.1")
    following.read()
    assert len(following.committed) == 2
    (links / "a.log.1").unlink()
    (links / "b.log").rename(links / "b.log.1")
    following.read()
    assert len(following.committed) == 1


def test_a_look_for_new_files_that_was_put_off_is_due(tmp_path, follower, monkeypatch):
    monkeypatch.setattr(tailer, "RESCAN_S", 3600.0)
    following = follower(tmp_path / "*.log")
    following.step()
    assert following.tailer.due_s() is None
    following.step()  # something has changed in the folder, too soon after the last look
    assert 0 < following.tailer.due_s() <= 3600
