"""Killed with alerts on their way, again and again: nothing is lost, and what repeats says so."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.providers import Answer, Provider

TESTS = Path(__file__).parents[2]


class Slow(Provider):
    """Takes its time, so that many deaths find a message on its way; `holding`, far more."""

    holding = False

    def judge(self, request):
        return Answer(delay_s=2 if self.holding else random.uniform(0.02, 0.05))

    def hold(self):
        """Until a message has come that waits for its answer."""
        self.holding = True
        self.wait(len(self.received) + 1, timeout_s=60)


@pytest.mark.timeout(600)
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
                # Every other death comes while a message waits for its answer; the others come at any moment.
                committed = max(committed, _live_and_die(zygote, provider.hold if number % 2 else None))
                provider.holding = False
            _order(zygote, "finish")
            last = [line for line in _lines_until(zygote, "ended") if line == "done"]
        finally:
            zygote.kill()
        received = provider.received

    assert last == ["done"]
    assert committed >= rounds
    told: set[str] = set()
    repeats = 0
    for request in received:
        services = {alert["labels"]["service"] for alert in request.json["alerts"]}
        if services & told:  # by alert, not by key: what is in doubt may be told again within a summary
            assert request.json["may_repeat"] is True, "a repeat that does not say so"
            repeats += 1
        told |= services
    lost = [number for number in range(1, committed + 1) if f"service-{number}" not in told]

    print(f"{committed} alerts, {rounds} kills: {len(lost)} lost, {repeats} repeated, all marked")
    assert lost == []
    assert 0 < repeats <= rounds


def _live_and_die(zygote, under_way) -> int:
    _order(zygote, "go")
    pid = int(_read(zygote).split()[1])
    last = int(_read(zygote).split()[1])
    if under_way:
        under_way()
    else:
        time.sleep(random.uniform(0, 0.15))
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
