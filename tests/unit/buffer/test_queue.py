from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import tempfile
from collections import deque
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from safelight import disk
from safelight.buffer import BufferFull, FrameTooLarge
from safelight.buffer.queue import Buffer
from safelight.errors import StoreError, StoreFull, StoreLocked
from support.frames import emptied, frame


def test_what_is_put_in_comes_out_in_its_order_with_what_was_said_of_it(opened):
    buffer = opened()
    buffer.append([frame("one", 3), frame("two")], {"seq": "2"})
    claim = buffer.claim(10, 1 << 20)
    assert [(one.payload, one.count, one.meta, one.weight, one.number) for one in claim.frames] == [
        (b"one", 3, {"kind": "test"}, 30, 1),
        (b"two", 1, {"kind": "test"}, 10, 2),
    ]
    assert claim.count == 4


def test_an_append_is_synced_before_it_returns(opened, monkeypatch):
    buffer, synced = opened(), []
    monkeypatch.setattr(disk, "sync_data", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    buffer.append([frame("one")], {})
    assert synced
    assert synced[-1] == buffer.figures().bytes


def test_what_was_acknowledged_is_there_after_the_next_opening(opened):
    opened().append([frame("one"), frame("two")], {"seq": "2", "gone": "1"})
    opened().append([frame("three")], {"seq": "3", "gone": None})
    buffer = opened()
    assert buffer.checkpoint() == {"seq": "3"}
    assert emptied(buffer) == ["one", "two", "three"]
    assert opened().claim(10, 1) is None


def test_positions_move_without_frames_and_stay_when_all_files_but_the_last_are_gone(opened, directory):
    buffer = opened(chunks=40)
    for number in range(50):
        buffer.append([frame("x" * 100)], {"seq": str(number), f"file-{number % 3}": str(number)})
    buffer.append([], {"file-1": None})
    assert len(emptied(buffer)) == 50
    assert len(list(directory.glob("*.buf"))) == 1
    assert opened().checkpoint() == {"seq": "49", "file-0": "48", "file-2": "47"}
    assert opened().checkpoint("file-2") == {"file-2": "47"}


def test_a_claim_comes_again_whole_and_under_the_same_id_until_it_is_done(opened):
    buffer = opened()
    for text in "abc":
        buffer.append([frame(text)], {})
    claim = buffer.claim(2, 1 << 20)
    buffer.append([frame("d")], {})
    again = opened().claim(100, 1 << 20)  # more would fit now, and are not put into the same batch
    assert (again.id, again.frames) == (claim.id, claim.frames)
    buffer = opened()
    assert buffer.claim(100, 1 << 20) == claim
    buffer.done(claim)
    rest = buffer.claim(100, 1 << 20)
    assert [one.payload for one in rest.frames] == [b"c", b"d"]
    assert rest.id != claim.id


def test_a_claim_has_at_least_one_frame_and_otherwise_no_more_than_was_asked_for(opened):
    buffer = opened()
    buffer.append([frame("a", 5), frame("b", 3), frame("c", 1)], {})
    assert [one.payload for one in buffer.claim(4, 1 << 20).frames] == [b"a"]
    buffer.done(buffer.claim(4, 1 << 20))
    assert [one.payload for one in buffer.claim(4, 1 << 20).frames] == [b"b", b"c"]
    buffer = opened()
    assert [one.payload for one in buffer.claim(1, 1).frames] == [b"b", b"c"]  # claimed before


def test_a_claim_is_limited_by_weight(opened):
    buffer = opened()
    buffer.append([frame("a", 2), frame("b", 2), frame("c", 2)], {})
    assert [one.payload for one in buffer.claim(100, 40).frames] == [b"a", b"b"]


def test_no_number_is_given_twice_even_when_the_last_frame_was_lost(opened, directory):
    buffer = opened()
    buffer.append([frame("a")], {})
    claim = buffer.claim(10, 100)
    buffer.close = lambda: None  # the process dies
    os.close(buffer._owned)
    (file,) = directory.glob("*.buf")
    os.truncate(file, file.stat().st_size - 1)  # and so does the disk, in part
    buffer = opened()
    buffer.append([frame("b")], {})
    while (again := buffer.claim(10, 100)) is not None and not again.frames:
        buffer.done(again)
    assert again.id != claim.id


def filled(buffer: Buffer) -> int:
    """Append until it refuses; how often it did not."""
    for count in itertools.count():
        try:
            buffer.append([frame("x" * 100)], {"seq": str(count)})
        except BufferFull:
            return count
    return 0


def test_a_full_queue_refuses_and_keeps_nothing_of_what_it_refused(opened):
    buffer = opened(chunk_bytes=1_000, chunks=2)
    count = filled(buffer)
    before = buffer.figures()
    with pytest.raises(BufferFull):
        buffer.append([frame("y" * 100)], {"seq": "never"})
    assert buffer.figures() == before
    assert before.frames == count
    assert before.bytes <= before.capacity == 2_000
    assert buffer.checkpoint() == {"seq": str(count - 1)}
    buffer.append([], {"seq": "moves all the same"})
    assert len(emptied(buffer)) == count
    buffer.append([frame("z" * 100)], {})
    assert emptied(buffer) == ["z" * 100]


def test_what_the_whole_queue_could_not_hold_is_told_apart(opened):
    buffer = opened(chunk_bytes=500, chunks=2)
    with pytest.raises(FrameTooLarge):
        buffer.append([frame("x" * 1_000)], {})
    buffer.append([frame("x" * 600)], {})  # larger than a file, smaller than all
    assert emptied(buffer) == ["x" * 600]


def test_an_empty_queue_has_room_however_much_its_positions_take(opened):
    positions = {f"file:{number}": "1234567890" for number in range(100)}
    buffer = opened(chunk_bytes=500, chunks=2)
    for text in ("a" * 100, "b" * 100):
        buffer.append([frame(text)], positions)
        assert emptied(buffer) == [text]
    buffer = opened(chunk_bytes=500, chunks=2)
    assert buffer.checkpoint() == positions
    assert sum(buffer.append([frame(text * 100)], {}, drop_oldest=True) for text in "cd") == 1
    assert emptied(buffer) == ["d" * 100]


@pytest.mark.parametrize("what", ["*", "ledger", "*.buf"])
def test_a_queue_that_somebody_removes_while_it_is_in_use_goes_on_and_knows_its_positions(opened, directory, what):
    told = []
    buffer = opened(on_trouble=told.append)
    buffer.append([frame("a", 3)], {"seq": "1", "other": "7"})
    buffer.append([frame("b", 2)], {"seq": "2"})
    for path in directory.glob(what):
        path.unlink()
    if what == "*":
        directory.rmdir()
    buffer.append([frame("c")], {"seq": "3"})
    (removed,) = told
    gone = 0 if what == "ledger" else 5
    assert removed.values["events"] == gone
    buffer = opened()
    assert emptied(buffer) == (["c"] if gone else ["a", "b", "c"])
    assert buffer.checkpoint() == {"seq": "3", "other": "7"}
    assert buffer.figures().frames == 0


def test_whoever_empties_a_queue_of_which_files_were_removed_gets_the_rest(opened, directory):
    told = []
    buffer = opened(chunk_bytes=400, on_trouble=told.append)
    for number in range(9):
        buffer.append([frame(f"{number}" * 100)], {"seq": str(number)})
    held = buffer.claim(1, 1 << 20)
    first, *_, last = sorted(directory.glob("*.buf"))
    first.unlink()
    last.unlink()
    buffer.done(held)
    left = emptied(buffer)
    assert 0 < len(left) < 8
    assert len(told) == 1
    buffer.append([frame("later")], {})
    assert emptied(opened()) == ["later"]


def test_positions_alone_do_not_fill_the_disk(opened, directory):
    buffer = opened(chunk_bytes=2_000, chunks=2)
    filled(buffer)
    for number in range(300):
        buffer.append([], {"seq": str(number)})
    assert sum(path.stat().st_size for path in directory.glob("*.buf")) <= 4 * 2_000
    assert opened(chunk_bytes=2_000, chunks=2).checkpoint() == {"seq": "299"}


def test_the_oldest_files_make_room_and_what_was_in_them_is_counted(opened):
    buffer = opened(chunk_bytes=1_000, chunks=3)
    dropped = sum(buffer.append([frame(f"{n:03}" + "x" * 97, 2)], {"seq": str(n)}, drop_oldest=True) for n in range(60))
    figures = buffer.figures()
    assert figures.events + dropped == 120
    left = emptied(buffer)
    assert [text[:3] for text in left] == [f"{n:03}" for n in range(60 - len(left), 60)]
    assert buffer.checkpoint() == {"seq": "59"}


def test_what_is_being_sent_is_not_counted_as_dropped(opened):
    buffer = opened(chunk_bytes=1_000, chunks=1)
    buffer.append([frame("a" * 100, 7)], {})
    claim = buffer.claim(100, 1 << 20)
    dropped = sum(buffer.append([frame("b" * 100)], {}, drop_oldest=True) for _ in range(20))
    assert buffer.claim(100, 1 << 20) == claim
    buffer.done(claim)
    assert buffer.figures().events + dropped == 20
    assert len(emptied(buffer)) == 20 - dropped


def test_a_second_owner_is_refused(opened, directory):
    opened()
    with pytest.raises(StoreLocked):
        Buffer.open(directory, chunk_bytes=100, chunks=1)


def _try_to_open(directory: str) -> None:
    try:
        Buffer.open(Path(directory), chunk_bytes=100, chunks=1)
    except StoreLocked:
        os._exit(7)
    os._exit(0)


def test_an_owner_in_another_process_is_refused(opened, directory):
    opened()
    child = multiprocessing.get_context("spawn").Process(target=_try_to_open, args=(str(directory),))
    child.start()
    child.join(60)
    assert child.exitcode == 7


def test_a_directory_that_cannot_be_used_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Buffer.open(tmp_path / "file" / "queue", chunk_bytes=100, chunks=1)


def test_files_are_their_owners_business(opened, directory):
    opened().append([frame("a")], {})
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("failing", ["write", "sync", "new file"])
def test_without_room_on_the_disk_nothing_is_acknowledged_and_later_it_goes_on(opened, monkeypatch, failing):
    buffer = opened(chunk_bytes=400)
    buffer.append([frame("a" * 150)], {"seq": "1"})
    half = os.write

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    def half_full(descriptor: int, data: memoryview) -> int:
        if len(data) < 10:
            full()
        return half(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        if failing == "write":
            patch.setattr(os, "write", half_full)
        elif failing == "sync":
            patch.setattr(disk, "sync_data", full)
        else:
            patch.setattr(disk, "publish", full)
        with pytest.raises(StoreFull):
            buffer.append([frame("b" * 150)], {"seq": "2"})
    assert buffer.checkpoint() == {"seq": "1"}
    frames = buffer.figures().frames
    assert opened(chunk_bytes=400).figures().frames == frames
    buffer = opened(chunk_bytes=400)
    buffer.append([frame("c")], {"seq": "3"})
    assert emptied(buffer)[-1] == "c"


def test_a_limit_on_the_size_of_files_is_a_full_disk(directory):
    """In a child, for the limit holds for all of a process."""
    child = multiprocessing.get_context("spawn").Process(target=_write_until_the_limit, args=(str(directory),))
    child.start()
    child.join(60)
    assert child.exitcode == 7
    with Buffer.open(directory, chunk_bytes=1 << 20, chunks=4) as buffer:
        assert emptied(buffer) == [f"{n:04}" * 250 for n in range(int(buffer.checkpoint()["seq"]) + 1)]


def _write_until_the_limit(directory: str) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    buffer = Buffer.open(Path(directory), chunk_bytes=1 << 20, chunks=4)
    try:
        for number in range(1_000):
            buffer.append([frame(f"{number:04}" * 250)], {"seq": str(number)})
    except StoreFull:
        os._exit(7)


class Model(RuleBasedStateMachine):
    """Against a list. Every opening may come after a crash: nothing is closed properly."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.waiting: deque[tuple[str, int]] = deque()
        self.positions: dict[str, str] = {}
        self.claim = None
        self.number = 0

    @initialize()
    def start(self) -> None:
        self.buffer = self._opened()

    def _opened(self) -> Buffer:
        return Buffer.open(self.directory, chunk_bytes=500, chunks=4)

    @rule(sizes=st.lists(st.integers(1, 300), max_size=4), key=st.sampled_from("abc"), forget=st.booleans())
    def append(self, sizes: list[int], key: str, forget: bool) -> None:
        self.number += 1
        frames = [frame(f"{self.number}.{index}." + "x" * size, size) for index, size in enumerate(sizes)]
        try:
            self.buffer.append(frames, {key: None if forget else str(self.number)})
        except BufferFull:
            return
        self.waiting += [(one.payload.decode(), one.count) for one in frames]
        self.positions.pop(key, None)
        if not forget:
            self.positions[key] = str(self.number)

    @rule(most=st.integers(1, 600))
    def take(self, most: int) -> None:
        claim = self.buffer.claim(most, 1 << 20)
        if self.claim is not None:
            assert claim == self.claim
        if claim is None:
            assert not self.waiting
            return
        texts = [one.payload.decode() for one in claim.frames]
        assert texts == [text for text, _ in list(self.waiting)[: len(texts)]]
        assert texts
        self.claim = claim

    @precondition(lambda self: self.claim is not None)
    @rule()
    def done(self) -> None:
        self.buffer.done(self.claim)
        for _ in self.claim.frames:
            self.waiting.popleft()
        self.claim = None

    @precondition(lambda self: self.claim is None)
    @rule(size=st.integers(1, 400))
    def make_room(self, size: int) -> None:
        self.number += 1
        one = frame(f"{self.number}.forced" + "x" * size)
        before = self.buffer.figures().frames
        dropped = self.buffer.append([one], {}, drop_oldest=True)
        gone = before + 1 - self.buffer.figures().frames
        assert dropped == sum(self.waiting.popleft()[1] for _ in range(gone))
        self.waiting.append((one.payload.decode(), one.count))

    @rule()
    def crash(self) -> None:
        os.close(self.buffer._owned)  # the lock is all that a process that ends gives back
        self.buffer = self._opened()

    @invariant()
    def figures_are_right(self) -> None:
        figures = self.buffer.figures()
        assert figures.frames == len(self.waiting)
        assert figures.events == sum(count for _, count in self.waiting)
        assert (figures.oldest_at is None) == (not self.waiting)
        assert self.buffer.checkpoint() == self.positions

    def teardown(self) -> None:
        if hasattr(self, "buffer"):
            assert emptied(self.buffer) == [text for text, _ in self.waiting]
            self.buffer.close()
        shutil.rmtree(self.directory)


Model.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAgainstAList = Model.TestCase
