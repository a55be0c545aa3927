"""Whatever happens to log files, in whatever order: each line arrives, and arrives once where that can be known."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.services.generic import GRAMMAR
from safelight.services.joiner import Joiner
from safelight.tail import tailer
from safelight.tail.tailer import Tailer

OPERATIONS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 5)),
    st.tuples(st.just("half"), st.just(0)),
    st.tuples(st.just("look"), st.just(0)),
    st.tuples(st.just("rename"), st.just(0)),
    st.tuples(st.just("copytruncate"), st.integers(0, 3)),
    st.tuples(st.just("recreate"), st.just(0)),
    st.tuples(st.just("compress"), st.just(0)),
    st.tuples(st.just("restart"), st.just(0)),
)


class Studio:
    """A folder with `a.log`, its rotated copies, and a tailer of all of them (`*.log*`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "a.log"
        self.log.touch()
        self.written: list[bytes] = []
        self.read: list[bytes] = []
        self.deleted: set[bytes] = set()
        """Lines that stand nowhere any more."""
        self.half = b""
        self.rotated = 0
        self.committed: dict[str, str] = {}
        self.before: list[dict[str, str]] = []
        self.start()

    def start(self) -> None:
        self.tailer = Tailer([str(self.folder / "*.log*")], lambda: Joiner(GRAMMAR), dict(self.committed))

    def write(self, count: int) -> None:
        with self.log.open("ab") as file:
            for _ in range(count):
                line = self.half or self.next_line()
                file.write(line[len(self.half) // 2 :] + b"\n" if self.half else line + b"\n")
                self.half = b""

    def next_line(self) -> bytes:
        self.written.append(b'{"line":%d,"of":"a log of a studio"}' % len(self.written))
        return self.written[-1]

    def write_half(self, _: int) -> None:
        if not self.half:
            self.half = self.next_line()
            with self.log.open("ab") as file:
                file.write(self.half[: len(self.half) // 2])

    def finish(self) -> None:
        if self.half:
            self.write(1)

    def look(self, _: int = 0) -> bool:
        step = self.tailer.step()
        if step is None:
            return False
        self.before.append(dict(self.committed))
        self.read += [text for found in step.records for text in found.texts]
        for key, value in step.positions.items():
            if value is None:
                self.committed.pop(key, None)
            else:
                self.committed[key] = value
        return True

    def rename(self, _: int) -> None:
        self.finish()
        self.rotated += 1
        self.log.rename(self.folder / f"a.log.{self.rotated}")
        self.log.touch()

    def copytruncate(self, looks: int) -> None:
        self.finish()
        self.rotated += 1
        shutil.copyfile(self.log, self.folder / f"a.log.{self.rotated}")
        for _ in range(looks):
            self.look()
        with self.log.open("r+b") as file:
            file.truncate(0)

    def recreate(self, _: int) -> None:
        """Delete it, and begin again; the tailer holds it if it has seen it."""
        self.finish()
        self.look()
        self.look()
        self.deleted |= set(self.log.read_bytes().split(b"\n"))
        self.log.unlink()
        self.log.touch()

    def compress(self, _: int) -> None:
        plain = [path for path in sorted(self.folder.iterdir()) if path.suffix[1:].isdecimal()]
        if plain:
            self.look()
            self.look()
            with plain[0].open("rb") as file, gzip.open(f"{plain[0]}.gz", "wb") as to:
                shutil.copyfileobj(file, to)
            plain[0].unlink()

    def restart(self, _: int) -> None:
        self.tailer.close()
        self.start()

    def crash(self, steps: int) -> None:
        """Go on from an earlier checkpoint; what was deleted meanwhile was read and is not durable."""
        while steps and self.before:
            self.committed = self.before.pop()
            steps -= 1
        self.restart(0)

    def do(self, operation: str, argument: int) -> None:
        names = {"half": self.write_half}
        (names.get(operation) or getattr(self, operation))(argument)

    def settle(self) -> None:
        self.finish()
        quiet = 0
        while quiet < 5:
            quiet = 0 if self.look() else quiet + 1
        self.tailer.close()


def play(operations, most_open):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tailer, "MOST_OPEN", most_open)
        studio = Studio(Path(folder))
        for operation, argument in operations:
            studio.do(operation, argument)
        studio.settle()
    return studio


@pytest.mark.parametrize("most_open", [tailer.MOST_OPEN, 0])
@settings(max_examples=100, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=25))
def test_each_line_arrives_once(most_open, operations):
    studio = play(operations, most_open)
    assert Counter(studio.read) == Counter(studio.written)


@settings(max_examples=100, deadline=None)
@given(st.lists(OPERATIONS | st.tuples(st.just("crash"), st.integers(1, 3)), max_size=25))
def test_no_line_is_missing_after_what_was_read_last_was_not_made_durable(operations):
    studio = play(operations, tailer.MOST_OPEN)
    assert set(studio.read) >= set(studio.written) - studio.deleted
