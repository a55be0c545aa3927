from __future__ import annotations

import json

import pytest

from safelight.batch import Batch
from safelight.buffer.queue import Buffer
from safelight.errors import InputError
from safelight.shipping import letters
from safelight.shipping.letters import Letters, count, files, read
from safelight.shipping.payload import unpack
from safelight.shipping.stock import requeue
from support.dying import dying_disk_at
from support.shipping import T0, events


def written(directory, *batches, sink="es"):
    laid = Letters(directory, sink)
    for batch in batches:
        laid.write(batch, [f"because {index}" for index in range(len(batch))], "b1", T0)
    return laid


def test_a_dead_letter_is_a_line_of_json_with_its_reason(tmp_path):
    written(tmp_path, events(0, 2))
    lines = [json.loads(line) for line in (tmp_path / "es.000001.ndjson").read_text().splitlines()]
    assert [(line["reason"], line["event"]["id"]) for line in lines] == [("because 0", "e0"), ("because 1", "e1")]
    assert lines[0].keys() == {"refused_at", "sink", "reason", "batch", "event"}
    assert lines[0]["refused_at"] == "2026-11-22T10:00:00.000000Z"
    assert lines[1]["event"]["attributes"] == {"steps": 1}


def test_events_come_back_as_they_were(tmp_path):
    batch = Batch.of(
        [*events(0, 3).table.to_pylist(), {"id": 'odd "\\\n\x00', "raw": "\x1b[31m", "duration_ms": 1e300}]
    )
    written(tmp_path, batch)
    (file,) = files(tmp_path, "es")
    (back,) = read(file)
    assert back.table.equals(batch.table)


def test_half_a_line_that_a_crash_left_is_cut_off(tmp_path):
    written(tmp_path, events(0, 3))
    (file,) = files(tmp_path, "es")
    whole = file.read_bytes()
    for cut in (1, 30, len(whole) - 1):
        file.write_bytes(whole[:-cut])
        kept = written(tmp_path).count
        assert kept == whole[:-cut].count(b"\n")
        assert file.read_bytes() == b"".join(whole.splitlines(keepends=True)[:kept])


def test_they_are_counted_after_a_start_too(tmp_path):
    assert written(tmp_path, events(0, 3), events(3, 2)).count == 5
    assert written(tmp_path).count == 5
    assert sum(map(count, files(tmp_path, "es"))) == 5


def test_sinks_that_share_a_directory_keep_to_their_own(tmp_path):
    written(tmp_path, events(0, 3))
    written(tmp_path, events(0, 1), sink="es.2")
    written(tmp_path, events(0, 2), sink="e.")
    assert [written(tmp_path, sink=sink).count for sink in ("es", "es.2", "e.", "s")] == [3, 1, 2, 0]


def test_a_full_file_is_followed_by_another_and_too_many_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "FILE_BYTES", 2_000)
    monkeypatch.setattr(letters, "MOST_BYTES", 10_000)
    laid, gone = Letters(tmp_path, "es"), 0
    for first in range(0, 100, 5):
        gone += laid.write(events(first, 5), ["no"] * 5, "b", T0)
    assert gone > 0
    assert gone + laid.count == 100
    assert sum(path.stat().st_size for path in files(tmp_path, "es")) <= 10_000
    assert written(tmp_path).count == laid.count


def test_without_room_on_the_disk_no_half_line_stays(tmp_path, monkeypatch):
    laid = written(tmp_path, events(0, 1))
    (file,) = files(tmp_path, "es")
    before = file.read_bytes()

    def half(descriptor, content):
        import os

        os.write(descriptor, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("safelight.disk.write_all", half)
        with pytest.raises(OSError, match="No space"):
            laid.write(events(1, 1), ["no"], "b", T0)
    assert file.read_bytes() == before
    laid.write(events(2, 1), ["no"], "b", T0)
    assert laid.count == 2


def test_a_line_that_somebody_broke_is_named(tmp_path):
    written(tmp_path, events(0, 2))
    (file,) = files(tmp_path, "es")
    file.write_text(file.read_text() + '{"reason": 7}\n')
    with pytest.raises(InputError, match="Line 3"):
        list(read(file))


def test_letters_go_on_after_somebody_removed_them(tmp_path):
    directory = tmp_path / "dead-letter"
    laid = written(directory, events(0, 2))
    for path in directory.iterdir():
        path.unlink()
    assert laid.files() == []
    assert laid.count == 0
    directory.rmdir()
    laid.write(events(2, 1), ["no"], "b2", T0)
    assert sum(map(count, files(directory, "es"))) == laid.count == 1


def test_a_crash_at_any_step_of_putting_letters_back_doubles_none(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "FILE_BYTES", 1)  # each has a file of its own
    step, finished = 0, False
    while not finished:
        step += 1
        directory = tmp_path / str(step)
        written(directory / "letters", events(0, 3), events(3, 4))
        with Buffer.open(directory / "queue", chunk_bytes=1 << 20, chunks=2) as queue, dying_disk_at(step) as dying:
            requeue(queue, Letters(directory / "letters", "es"), 100)
        finished = not dying.dead
        with Buffer.open(directory / "queue", chunk_bytes=1 << 20, chunks=2) as queue:
            requeue(queue, Letters(directory / "letters", "es"), 100)
            claim = queue.claim(100, 1 << 30)
            assert sorted(unpack(claim.frames)["id"].to_pylist()) == [f"e{n}" for n in range(7)]
            assert queue.checkpoint() == {}
    assert step > 3
