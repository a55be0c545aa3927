"""A day of a studio in fast forward, through an agent and a server: nothing is lost, and nothing grows."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median

import psutil
import pytest

from support.agents import agent
from support.fluent import written
from support.lasting import eventually, lasting
from support.workload import events

KEPT = 2
"""Rotated logs that are not deleted yet."""
MB = 1024 * 1024
NO_SPOOL = "[spool]\nread = false\n"
SOON = 'flush_interval = "200ms"\nretry = { first = "100ms", longest = "1s", max = 1000 }\n'
ADAPTIVE = """
[[processors]]
type = "sample"
where = "level:DEBUG"
adaptive = { above = "200/s", share = 0.1, for = "2s" }
"""


class Studio:
    """Writes a day of events in the order of their time."""

    def __init__(self, log, count):
        self._log = log
        self._day = events(count, end=datetime.now(UTC), span=timedelta(days=1))
        self.written = self.quiet = self.rotations = 0
        log.touch()

    def writes(self, count):
        with self._log.open("a", encoding="utf-8") as file:
            for event in islice(self._day, count):
                event["message"] = f"{event['message']}, no. {self.written}"
                file.write(json.dumps(event, ensure_ascii=False) + "\n")
                self.quiet += event["level"] == "DEBUG"
                self.written += 1

    def rotates(self):
        """By renaming; as logrotate does, only a few are kept."""
        self.rotations += 1
        self._log.rename(self._log.with_name(f"studio.log.{self.rotations}"))
        self._log.touch()
        self._log.with_name(f"studio.log.{self.rotations - KEPT}").unlink(missing_ok=True)

    @property
    def loud(self):
        """What no sampling may take away."""
        return self.written - self.quiet


class Gauge:
    """What a process takes, now and then."""

    def __init__(self, name, pid):
        self._name, self._process = name, psutil.Process(pid)
        self.seen = []

    def read(self):
        self.seen.append((self._process.memory_info().rss / MB, self._process.num_fds()))

    def tell(self, share):
        (memory, descriptors), cpu_s = self.seen[-1], sum(self._process.cpu_times()[:2])
        print(f"{self._name} at {share:4.0%}: {memory:4.0f} MB, {descriptors} descriptors, {cpu_s:.1f} CPU-s so far")

    def halves(self, figure):
        """The median of each half, of memory (0) or descriptors (1): what merging takes for a moment is in neither. The
        first fifth, while it warms up, does not count."""
        warm = [seen[figure] for seen in self.seen[len(self.seen) // 5 :]]
        middle = len(warm) // 2
        return median(warm[:middle]), median(warm[middle:])


def file_sink(folder):
    return f'[[sinks]]\ntype = "file"\npath = "{folder}/day.ndjson"\nsize = "20MB"\nwhere = "tag:studio"\n{SOON}'


def kept(folder):
    """The ids of the lines that a file sink wrote."""
    ids = []
    for path in folder.glob("day*.ndjson*"):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            ids += [json.loads(line)["id"] for line in file]
    return ids


@pytest.mark.parametrize(
    ("count", "rotations", "slack"),
    [(12_000, 4, 150), pytest.param(1_200_000, 60, 40, marks=[pytest.mark.slow, pytest.mark.timeout(1_500)])],
)
def test_a_day_passes_through_an_agent_and_a_server_and_neither_grows(tmp_path, count, rotations, slack):
    """`slack`: MB that the second half may take more than a quarter more than the first. Few events only warm it up."""
    log = tmp_path / "studio.log"
    studio = Studio(log, count)
    with lasting(tmp_path / "server", NO_SPOOL + file_sink(tmp_path / "there")) as server:
        source = f'[[sources]]\ntype = "file"\npaths = ["{log}*"]\ntag = "studio"\n'
        to_server = f'[[sinks]]\ntype = "safelight"\nurl = "http://127.0.0.1:{server.port}"\n{SOON}'
        path = written(tmp_path / "agent.toml", NO_SPOOL + source + ADAPTIVE + file_sink(tmp_path / "here") + to_server)
        with agent(tmp_path / "agent", "--config", str(path)) as collector:
            gauges = Gauge("agent", collector.process.pid), Gauge("server", server.now.process.pid)

            def arrived():
                (row,) = server.now.get("/events", q="tag:studio NOT level:DEBUG | stats count() as n")["rows"]
                return row["n"]

            while studio.written < count:
                part = count // rotations
                for _ in range(10):  # it goes on steadily, then a burst
                    studio.writes(part // 20)
                    server.now.events("tag:studio", limit=50)  # a page is open meanwhile
                studio.writes(part - part // 20 * 10)
                eventually(lambda: arrived() >= studio.loud, "what was written", lambda: f"{arrived()} {studio.loud}")
                studio.rotates()
                for gauge in gauges:
                    gauge.read()
                    if studio.rotations % (rotations // 4) == 0:
                        gauge.tell(studio.written / count)
            server.until_sink("file", lambda sink: not sink["behind_events"] and not sink["queue"]["events"])
            assert collector.stop() == 0
        total, different = server.count("tag:studio", field="id")
        whole = server.count("tag:studio level:DEBUG NOT sample_rate:*")[0]
        tenths = server.count("tag:studio level:DEBUG sample_rate:10")[0]
        assert server.count("tag:studio NOT level:DEBUG") == (studio.loud, studio.loud)
        eventually(lambda: len(kept(tmp_path / "there")) >= total, "the events in the files of the server")
    here, there = kept(tmp_path / "here"), kept(tmp_path / "there")
    assert total == different == len(here) == len(there)
    assert set(here) == set(there)
    assert whole + tenths + studio.loud == total
    assert studio.quiet <= whole + 10 * tenths < studio.quiet + 10  # the first of each ten stands for them all
    for gauge in gauges:
        memory, memory_then = gauge.halves(0)
        descriptors, descriptors_then = gauge.halves(1)
        assert memory_then < 1.25 * memory + slack
        assert descriptors_then < descriptors + 20
