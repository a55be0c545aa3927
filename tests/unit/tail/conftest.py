"""A tailer that is stepped by hand, and pauses that no test has to wait for."""

from __future__ import annotations

import os

import pytest

from safelight.services import profile
from safelight.services.joiner import Joiner
from safelight.tail import copies, follow, packed, records, tailer
from safelight.tail.tailer import Tailer


class Follower:
    """A tailer, stepped by hand; commits what it is given, like the store."""

    def __init__(self, *patterns, resume=None, service=None, **options):
        self.committed = dict(resume or {})
        self.troubles = []
        self.recovered = []
        self.tailer = Tailer(
            [str(p) for p in patterns],
            lambda: Joiner(profile(service).grammar),
            dict(self.committed),
            on_trouble=lambda path, reason: self.troubles.append((os.path.basename(path), reason)),
            on_recovered=lambda path: self.recovered.append(os.path.basename(path)),
            **options,
        )
        self.ids = []
        self.paths = set()
        self.bytes = 0

    def step(self):
        step = self.tailer.step()
        if step is None:
            return None
        for key, value in step.positions.items():
            if value is None:
                self.committed.pop(key, None)
            else:
                self.committed[key] = value
        self.ids += [id_ for found in step.records for id_ in found.ids()]
        self.paths |= {found.path for found in step.records}
        self.bytes += step.size
        return [text for found in step.records for text in found.texts]

    def read(self):
        found = []
        while (texts := self.step()) is not None:
            found += texts
        return found

    def again(self, *patterns, **options):
        self.tailer.close()
        return Follower(*patterns, resume=self.committed, **options)

    def figures(self):
        return {os.path.basename(file.path): file for file in self.tailer.figures()}


@pytest.fixture
def follower():
    """Follows patterns; everything is let go at the end."""
    made = []

    def new(*patterns, **options):
        made.append(Follower(*patterns, **options))
        return made[-1]

    yield new
    for one in made:
        one.tailer.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(tailer, "RESCAN_S", 0.0)
    monkeypatch.setattr(records, "SILENCE_S", 0.0)
    monkeypatch.setattr(follow, "LINGER_S", 0.0)
    monkeypatch.setattr(packed, "SETTLE_S", 0.0)
    monkeypatch.setattr(copies, "HOLD_S", 3600.0)  # however slow the machine is
