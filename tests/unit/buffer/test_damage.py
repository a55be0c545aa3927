"""What a disk can do to a queue: no byte of it may take more than its own record away, and none may stop it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight import disk
from safelight.buffer import ledger
from safelight.buffer.chunk import listing
from safelight.buffer.queue import Buffer
from safelight.buffer.record import HEADER, Draft, Note, decode, encode, read
from support.dying import dying_disk_at
from support.frames import emptied, frame

TEXTS = [f"{number}:" + "x" * 20 for number in range(6)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A queue of one file: three appends of two frames each."""
    directory = tmp_path_factory.mktemp("whole") / "queue"
    with Buffer.open(directory, chunk_bytes=1 << 20, chunks=4) as buffer:
        for first in range(0, 6, 2):
            buffer.append([frame(text) for text in TEXTS[first : first + 2]], {"seq": str(first + 2)})
    return directory


def copied(whole: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(whole, target)
    return next(target.glob("*.buf"))


def ends(whole: Path) -> list[int]:
    (chunk,) = listing(whole)
    return [record.end for record in chunk.read().records]


def test_a_file_cut_anywhere_gives_exactly_its_whole_appends(whole, tmp_path):
    file_ends = ends(whole)
    for cut in range(0, file_ends[-1], 3):
        file = copied(whole, tmp_path / "queue")
        with file.open("rb+") as opened:
            opened.truncate(cut)
        appends = sum(cut >= end for end in file_ends[2::2])
        with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4) as buffer:
            assert buffer.checkpoint() == ({"seq": str(2 * appends)} if appends else {})
            assert buffer.figures().torn == cut - (file_ends[2 * appends] if cut >= file_ends[0] else 0)
            buffer.append([frame("after")], {})
            assert emptied(buffer) == [*TEXTS[: 2 * appends], "after"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_byte_costs_at_most_the_append_it_is_in(whole, tmp_path_factory, data):
    file_ends = ends(whole)
    position = data.draw(st.integers(0, file_ends[-1] - 1))
    file = copied(whole, tmp_path_factory.mktemp("flip") / "queue")
    content = bytearray(file.read_bytes())
    content[position] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    hit = sum(position >= end for end in file_ends)  # 0 is the first record, which has no frame
    told = []
    with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4, on_trouble=told.append) as buffer:
        assert [error.key for error in told] in (["buffer.damaged"], [])
        # The last append is indistinguishable from one that never ended; of an earlier one its other frame stays.
        kept = emptied(buffer)
        lost = [text for text in TEXTS if text not in kept]
        assert lost == ([] if hit == 0 else TEXTS[4:] if hit == 6 else [TEXTS[hit - 1]])
        assert kept == [text for text in TEXTS if text not in lost]


def test_damage_is_laid_aside_and_told_once(whole, tmp_path):
    file = copied(whole, tmp_path / "queue")
    start, end = ends(whole)[1:3]
    content = bytearray(file.read_bytes())
    content[start + HEADER] ^= 1
    file.write_bytes(content)
    for told in ([], []):
        first = not list(file.parent.glob("*.damaged"))
        with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4, on_trouble=told.append) as buffer:
            assert len(told) == first
            assert buffer.figures().set_aside == 1
            assert buffer.figures().frames == 5
    (aside,) = file.parent.glob("*.damaged")
    assert aside.read_bytes() == content[start:end]


def test_what_is_damaged_after_the_opening_is_skipped_too(whole, tmp_path):
    file = copied(whole, tmp_path / "queue")
    told = []
    with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4, on_trouble=told.append) as buffer:
        content = bytearray(file.read_bytes())
        content[ends(whole)[0] + HEADER] ^= 1
        file.write_bytes(content)
        assert emptied(buffer) == TEXTS[1:]
        assert [error.key for error in told] == ["buffer.damaged"]
        assert buffer.figures().frames == buffer.figures().events == 0


def test_a_queue_of_nothing_but_damage_goes_on(whole, tmp_path):
    file = copied(whole, tmp_path / "queue")
    file.write_bytes(b"\xff" * file.stat().st_size)
    with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4) as buffer:
        buffer.append([frame("after")], {})
        assert emptied(buffer) == ["after"]


@pytest.mark.parametrize("content", [b"", b"SLQ1", b"\0" * 300])
def test_a_file_without_a_record_stops_nothing(whole, tmp_path, content):
    file = copied(whole, tmp_path / "queue")
    (file.parent / "00000002-7-00000000.buf").write_bytes(content)
    with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4) as buffer:
        buffer.append([frame("after")], {})
        assert emptied(buffer) == [*TEXTS, "after"]


def test_a_log_line_that_imitates_a_record_does_not_pass_for_one_behind_damage():
    forged = encode(Draft(Note(99, 99, checkpoint={"seq": "stolen"}), b"evil"), 0)
    content = bytearray(encode(Draft(Note(1, 1), forged * 3), 12345) + encode(Draft(Note(2, 2), b"good"), 12345))
    content[HEADER - 1] ^= 1
    assert [record.payload for record in read(bytes(content), 12345).records] == [b"good"]


@given(st.binary(max_size=300))
def test_no_bytes_are_a_mistake_of_ours(content):
    assert decode(content, 7, 0) is None
    reading = read(content, 7)
    assert reading.records == []
    assert reading.torn + reading.broken == len(content)


@pytest.mark.parametrize("slot", [0, 4096])
def test_half_a_write_of_the_ledger_costs_one_step(tmp_path, slot):
    entry = ledger.Entry("00" * 8, 1, 0)
    book = ledger.Ledger(tmp_path, entry)
    for head in range(2, 9):
        book.write(head, head)
    book.close()
    content = bytearray((tmp_path / "ledger").read_bytes())
    content[slot + 20] ^= 1
    (tmp_path / "ledger").write_bytes(content)
    assert ledger.read(tmp_path).head in (7, 8)


@pytest.mark.parametrize("left", [b"", b"nonsense"])
def test_without_its_ledger_a_queue_sends_everything_again_under_its_old_name(whole, tmp_path, left):
    file = copied(whole, tmp_path / "queue")
    with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4) as buffer:
        claim = buffer.claim(2, 1 << 20)
        buffer.done(claim)
    (file.parent / "ledger").write_bytes(left)
    told = []
    with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4, on_trouble=told.append) as buffer:
        assert [error.key for error in told] == ["buffer.ledger_lost"]
        assert buffer.claim(2, 1 << 20).id == claim.id
    with Buffer.open(file.parent, chunk_bytes=1 << 20, chunks=4) as buffer:
        assert emptied(buffer) == TEXTS


def work(directory: Path, acknowledged: list[str], sent: list[tuple[str, list[str]]], done: list[str]) -> None:
    """Everything that writes: appends that fill several files, claims, dones, removal."""
    buffer = Buffer.open(directory, chunk_bytes=300, chunks=20)
    try:
        for number in range(8):
            buffer.append([frame(f"{number}a" + "x" * 40), frame(f"{number}b" + "x" * 40)], {"seq": str(number)})
            acknowledged.append(str(number))
            if number % 3 == 2:
                claim = buffer.claim(3, 1 << 20)
                sent.append((claim.id, [one.payload.decode()[:2] for one in claim.frames]))
                buffer.done(claim)
                done += sent[-1][1]
    finally:
        os.close(buffer._owned)  # the lock is all that a process that ends gives back


def test_a_crash_at_any_step_loses_nothing_and_doubles_only_under_the_same_id(tmp_path):
    step, finished = 0, False
    while not finished:
        step += 1
        directory = tmp_path / str(step)
        acknowledged: list[str] = []
        sent: list[tuple[str, list[str]]] = []
        done: list[str] = []
        with dying_disk_at(step) as dying:
            work(directory, acknowledged, sent, done)
        finished = not dying.dead
        with Buffer.open(directory, chunk_bytes=300, chunks=20) as buffer:
            seen = dict(sent)
            while (claim := buffer.claim(3, 1 << 20)) is not None:
                texts = [one.payload.decode()[:2] for one in claim.frames]
                assert seen.setdefault(claim.id, texts) == texts
                buffer.done(claim)
            received = [text for frames in seen.values() for text in frames]
            assert len(received) == len(set(received))
            expected = {f"{number}{half}" for number in acknowledged for half in "ab"}
            assert expected <= set(received)
            last = buffer.checkpoint().get("seq", "-1")
            assert int(last) in {len(acknowledged) - 1, len(acknowledged)}  # an append may be on the disk, and not told
            assert set(received) == {f"{number}{half}" for number in range(int(last) + 1) for half in "ab"}
    assert step > 40  # the disk really died at every step of all that


def test_a_ledger_is_on_the_disk_before_a_file_goes(tmp_path, monkeypatch):
    deeds: list[str] = []
    unlink, sync = Path.unlink, disk.sync_data
    with Buffer.open(tmp_path, chunk_bytes=200, chunks=9) as buffer:
        for number in range(4):
            buffer.append([frame(f"{number}" * 150)], {})
        claim = buffer.claim(1, 1)
        monkeypatch.setattr(disk, "sync_data", lambda descriptor: (deeds.append("sync"), sync(descriptor)))
        monkeypatch.setattr(Path, "unlink", lambda path, **how: (deeds.append("unlink"), unlink(path, **how)))
        buffer.done(claim)
        monkeypatch.undo()
    assert deeds[:2] == ["sync", "unlink"]
