"""Killed with alerts on their way, again and again: nothing is lost, and what repeats says so."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from support.providers import Answer, Provider

TESTS = Path(__file__).parents[2]


class Slow(Provider):
    """Takes its time, so that most deaths find a message on its way."""

    def judge(self, request):
        return Answer(delay_s=random.uniform(0.02, 0.05))


def test_no_alert_is_lost_and_no_repeat_is_unmarked(tmp_path):
    kill(tmp_path, 30)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nor_in_two_hundred_deaths(tmp_path):
    kill(tmp_path, 200)


def kill(tmp_path, rounds):
    """Prints the figures."""
    committed = 0
    with (
        Slow() as provider,
        subprocess.Popen(
            [sys.executable, "-m", "support.crashing", str(tmp_path), provider.url],
            cwd=TESTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as zygote,
    ):
        try:
            for number in range(rounds):
                # Every other death waits for a message to be on its way; the others come at any moment.
                under_way = (lambda: provider.wait(len(provider.received) + 1, timeout_s=60)) if number % 2 else None
                committed = max(committed, _live_and_die(zygote, under_way))
            _order(zygote, "finish")
            last = [line for line in _lines_until(zygote, "ended") if line == "done"]
        finally:
            zygote.kill()
        received = provider.received

    assert last == ["done"]
    assert committed >= rounds
    told = {alert["labels"]["service"] for request in received for alert in request.json["alerts"]}
    lost = [number for number in range(1, committed + 1) if f"service-{number}" not in told]

    seen = Counter()
    for request in received:
        assert request.json["may_repeat"] is True or seen[request.key] == 0, "a repeat that does not say so"
        seen[request.key] += 1
    repeats = sum(seen.values()) - len(seen)
    print(f"{committed} alerts, {rounds} kills: {len(lost)} lost, {repeats} repeated, all marked")
    assert lost == []
    assert 0 < repeats <= rounds


def _live_and_die(zygote, under_way) -> int:
    _order(zygote, "go")
    pid = int(_read(zygote).split()[1])
    last = int(_read(zygote).split()[1])
    if under_way:
        under_way()
    time.sleep(random.choice([0, random.uniform(0, 0.15)]))
    os.kill(pid, signal.SIGKILL)
    acknowledged = [int(line.split()[1]) for line in _lines_until(zygote, "ended") if line.startswith("committed")]
    return max([last, *acknowledged])


def _order(zygote, word):
    zygote.stdin.write(f"{word}\n")
    zygote.stdin.flush()


def _read(zygote) -> str:
    return zygote.stdout.readline().strip()


def _lines_until(zygote, end):
    lines = []
    while (line := _read(zygote)) != end:
        assert line, "the program under test has ended"
        lines.append(line)
    return lines
