"""Slow: a writer that never stops, log rotation, and a server that is killed again and again."""

from __future__ import annotations

import json
import os
import random
import signal
import threading

import pytest

from support.running import running

ROUNDS = 12
CONFIG = '[[sources]]\ntype = "file"\npaths = ["{log}"]\n'


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_through_many_kills_and_rotations(tmp_path):
    log, stop, written = tmp_path / "a.log", threading.Event(), []
    log.touch()

    def write():
        number = 0
        while not stop.is_set():
            with log.open("a") as file:
                file.write("".join(json.dumps({"message": "soak", "n": number + i}) + "\n" for i in range(20)))
            number += 20
            if number % 4000 == 0:
                log.rename(tmp_path / f"a.log.{number}")
                log.touch()
            stop.wait(0.05)
        written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    dice = random.Random(1)
    try:
        for _ in range(ROUNDS):
            with running(tmp_path, CONFIG.format(log=log)) as server:
                stop.wait(dice.uniform(0.2, 3))
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait()
    finally:
        stop.set()
        writer.join()
    with running(tmp_path, CONFIG.format(log=log)) as server:
        total = "soak | stats count() as n, dc(n) as numbers"
        for _ in range(200):
            (row,) = server.get("/events", q=total)["rows"]
            if row["n"] >= written[0]:
                break
            threading.Event().wait(0.1)
    assert row == {"n": written[0], "numbers": written[0]}
