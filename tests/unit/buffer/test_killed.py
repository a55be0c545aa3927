from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from safelight.buffer.queue import Buffer

CHILD = """
import sys
from pathlib import Path
from safelight.buffer import Frame
from safelight.buffer.queue import Buffer
queue = Buffer.open(Path(sys.argv[1]), chunk_bytes=20_000, chunks=1_000)
number = int(queue.checkpoint().get("seq", "-1"))
while True:
    frames = [Frame(f"{number + step}".encode() + b" " * 500, 1) for step in range(1, 4)]
    number += 3
    queue.append(frames, {"seq": str(number)})
    print("kept", number, flush=True)
    if number % 2:
        claim = queue.claim(4, 1 << 20)
        print("sent", claim.id, *(int(frame.payload) for frame in claim.frames), flush=True)
        queue.done(claim)
"""


def killed(directory: Path, times: int) -> None:
    """Kill a process that appends and sends, again and again; then nothing that it acknowledged may be missing."""
    kept, sent = -1, dict[str, list[int]]()
    for _ in range(times):
        process = subprocess.Popen([sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE, text=True)
        lines = [process.stdout.readline() for _ in range(40)]
        process.kill()
        rest = process.stdout.read()
        process.stdout.close()
        process.wait(30)
        for line in "".join([*lines, rest]).split("\n")[:-1]:
            what, first, *others = line.split()
            if what == "kept":
                kept = max(kept, int(first))
            else:
                numbers = [int(number) for number in others]
                assert sent.setdefault(first, numbers) == numbers
    with Buffer.open(directory, chunk_bytes=20_000, chunks=1_000) as queue:
        last = int(queue.checkpoint()["seq"])
        while (claim := queue.claim(4, 1 << 20)) is not None:
            numbers = [int(frame.payload) for frame in claim.frames]
            assert sent.setdefault(claim.id, numbers) == numbers
            queue.done(claim)
    received = sorted(number for numbers in sent.values() for number in numbers)
    assert last >= kept
    # A batch may have been claimed and done between the print and the kill: what was sent is told before it is done.
    assert received == list(range(last + 1))


def test_a_process_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path):
    killed(tmp_path / "queue", 3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_process_that_is_killed_a_hundred_times_does_not_either(tmp_path):
    killed(tmp_path / "queue", 100)
