"""The simulator: `python -m safelight.demo --spool DIR`. It ends when its standard input does, so with its parent."""

from __future__ import annotations

import argparse
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Final

import safelight_emit
from safelight_emit.emit import append

from .clock import play
from .happening import Happening
from .life import life

AT_ONCE: Final = 2_000
"""Events between two flushes: the queue of safelight_emit holds 10,000 and drops what comes beyond."""
FLUSH_S: Final = 10.0
REMEMBER_EVERY_S: Final = 1.0
DAY_S: Final = 86_400.0


class Pen:
    """Writes happenings through safelight_emit, and remembers how far: a studio that is opened again has lived on."""

    def __init__(self, spool: Path) -> None:
        self._told_until = spool / "told-until"
        self._events = 0
        self._moment = 0.0
        self._remembered = time.monotonic()

    def told_until(self) -> float:
        """Seconds since 1970; 0 if nothing has been told."""
        try:
            return float(self._told_until.read_text())
        except (OSError, ValueError):
            return 0.0

    def tell(self, happening: Happening, moment: float) -> None:
        """One event, at `moment`."""
        append(str(happening.name), happening.level, happening.fields, round(moment * 1e9))
        self._events += 1
        self._moment = moment
        if self._events % AT_ONCE == 0 or time.monotonic() - self._remembered > REMEMBER_EVERY_S:
            self.put_down()

    def put_down(self) -> None:
        """All that was told is on disk, and remembered."""
        safelight_emit.flush(FLUSH_S)
        if self._moment:
            self._told_until.write_text(f"{self._moment:.6f}")
        self._remembered = time.monotonic()


def main() -> None:
    """Live until told otherwise."""
    options = _options()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server, which then closes our standard input
    over = threading.Event()
    threading.Thread(target=_watch_parent, args=(over,), daemon=True).start()
    options.spool.mkdir(parents=True, exist_ok=True)
    safelight_emit.configure(
        service="demo", environment="simulated", directory=options.spool, fields={"simulated": True}
    )
    pen = Pen(options.spool)
    now = time.time()
    play(
        life(options.seed, max(now - options.history * 3600, min(pen.told_until(), now)), now),
        pen.tell,
        lambda seconds: not over.wait(seconds),
        now=now,
        speed=options.speed,
        until=None if options.until is None else now + options.until,
    )
    pen.put_down()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m safelight.demo", description=__doc__)
    parser.add_argument("--spool", type=Path, required=True, metavar="DIR", help="where safelight_emit writes")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="how fast time passes")
    parser.add_argument("--history", type=float, default=24.0, metavar="HOURS", help="what is told at once")
    parser.add_argument("--until", type=float, metavar="SECONDS", help="end after so much of the studio's time")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32), help="of what happens")
    return parser.parse_args()


def _watch_parent(over: threading.Event) -> None:
    # Not sys.stdin: its lock, held by a thread that waits for ever, would break the end of the interpreter.
    while os.read(0, 4096):
        continue
    over.set()


if __name__ == "__main__":
    main()
