from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.errors import SinkError
from safelight.sinks.file import File, rotation
from safelight.sinks.file import template as room
from safelight.sinks.file.commit import Commits
from safelight.sinks.file.rotation import Keeping, rotate_if_due, tidy
from safelight.sinks.file.template import Template, safe
from support.dying import dying_disk_at
from support.shipping import events, until

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def sink(path: Path | str, **settings) -> File:
    return File.model_validate({"type": "file", "path": str(path), **settings})


async def send(to: File, *batches: tuple[Batch, str]) -> None:
    async with to.connect() as connection:
        for batch, batch_id in batches:
            assert await connection.send(batch, batch_id) == []


def ids(path: Path) -> list[str]:
    content = path.read_text()
    assert not content or content.endswith("\n")
    return [json.loads(line)["id"] for line in content.splitlines()]


def plain(directory: Path) -> list[str]:
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )


async def test_events_are_lines_of_json(tmp_path):
    await send(sink(tmp_path / "a" / "app.ndjson"), (events(0, 3), "b1"), (events(3, 2), "b2"))
    assert ids(tmp_path / "a" / "app.ndjson") == [f"e{n}" for n in range(5)]
    assert (tmp_path / "a" / "app.ndjson").stat().st_mode & 0o777 == 0o600


async def test_or_lines_for_eyes(tmp_path):
    await send(sink(tmp_path / "app.log", format="line"), (events(0, 1), "b1"))
    assert (tmp_path / "app.log").read_text() == "2026-11-22T10:00:00.000000Z ERROR    comfyui 第 0 步 finished\n"


async def test_a_batch_that_comes_again_is_not_written_again(tmp_path):
    to = sink(tmp_path / "app.ndjson")
    await send(to, (events(0, 3), "b1"), (events(0, 3), "b1"))
    await send(to, (events(0, 3), "b1"), (events(3, 1), "b2"))
    assert ids(tmp_path / "app.ndjson") == ["e0", "e1", "e2", "e3"]


async def test_dates_and_fields_of_the_event_make_the_path(tmp_path):
    batch = Batch.of(
        [
            {"id": "a", "service": "comfyui", "timestamp": datetime(2026, 11, 21, 23, 30, tzinfo=UTC)},
            {"id": "b", "service": "comfyui", "timestamp": datetime(2026, 11, 22, 0, 30, tzinfo=UTC)},
            {"id": "c", "service": "ddcolor", "timestamp": datetime(2026, 11, 22, 0, 30, tzinfo=UTC)},
            {"id": "d", "timestamp": datetime(2026, 11, 22, 0, 45, tzinfo=UTC)},
        ]
    )
    await send(sink(tmp_path / "{service}" / "%Y" / "%m-%d.ndjson"), (batch, "b1"))
    assert plain(tmp_path) == [
        "comfyui/2026/11-21.ndjson",
        "comfyui/2026/11-22.ndjson",
        "ddcolor/2026/11-22.ndjson",
        "none/2026/11-22.ndjson",
    ]
    assert ids(tmp_path / "comfyui/2026/11-22.ndjson") == ["b"]
    await send(sink(tmp_path / "cn" / "%d.ndjson", timezone="Asia/Shanghai", name="cn"), (batch, "b1"))
    assert plain(tmp_path / "cn") == ["22.ndjson"]


def test_times_that_no_calendar_has_are_of_now(tmp_path):
    table = events(0, 3).table
    import pyarrow as pa

    odd = pa.array([None, -(10**17), 9 * 10**17], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    batch = Batch(table).with_column("timestamp", odd)
    ((path, part),) = Template(f"{tmp_path}/%Y.ndjson").split(batch, UTC, NOW)
    assert (path.name, len(part)) == ("2026.ndjson", 3)


@given(st.text(max_size=150))
def test_no_field_can_leave_its_place_in_the_path(value):
    name = safe(value)
    assert name
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 101


async def test_hostile_fields_stay_below_the_root(tmp_path):
    hostile = ["../../etc", "/etc/passwd", "..", ".", "", "a/b\0c", "~root", "x" * 500, "%Y", "{tag}", ".hidden"]
    batch = Batch.of({"id": str(n), "service": one} for n, one in enumerate(hostile))
    await send(sink(tmp_path / "in" / "{service}.ndjson"), (batch, "b1"))
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "in"}
    assert sum(len(ids(path)) for path in (tmp_path / "in").glob("*.ndjson")) == len(hostile)


async def test_whoever_sends_cannot_fill_a_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MOST_FILES", 5)
    batch = Batch.of({"id": str(n), "service": f"s{n}"} for n in range(50))
    await send(sink(tmp_path / "{service}.ndjson"), (batch, "b1"))
    assert len(plain(tmp_path)) == 6
    assert len(ids(tmp_path / "other.ndjson")) == 45


async def test_a_batch_for_many_files_does_not_use_up_the_descriptors(tmp_path, monkeypatch):
    opened, before = [], len(os.listdir("/proc/self/fd"))
    append = os.write

    def write(descriptor, content):
        opened.append(len(os.listdir("/proc/self/fd")))
        return append(descriptor, content)

    monkeypatch.setattr("safelight.disk.os.write", write)
    batch = Batch.of({"id": str(n), "service": f"s{n}"} for n in range(60))
    await send(sink(tmp_path / "{service}.ndjson"), (batch, "b1"))
    assert len(opened) >= 60
    assert max(opened) - before < 20


@pytest.mark.parametrize("name", ["gpu.0", "gpu.0.1", "0.1", "x.gz", "x.zst", "v1.2.gz"])
async def test_no_name_of_a_service_passes_for_that_of_a_finished_file(tmp_path, name):
    to = sink(tmp_path / "{service}.ndjson")
    await send(to, (Batch.of([{"id": "a", "service": name}]), "b1"))
    (path,) = tmp_path.glob("*.ndjson")
    for template in (f"{tmp_path}/{{service}}.ndjson", f"{tmp_path}/{{service}}"):
        match = Template(template).pattern().fullmatch(str(path if "." in template[-7:] else path.with_suffix("")))
        assert (match["number"], match["packed"]) == (None, None)


async def test_a_link_in_place_of_the_file_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "app.ndjson").symlink_to(tmp_path / "target")
    with pytest.raises(SinkError):
        await send(sink(tmp_path / "app.ndjson"), (events(0, 1), "b1"))
    assert (tmp_path / "target").read_text() == "mine"


@pytest.mark.parametrize(
    "path", ["", "a/%S.log", "a/%", "{workflow_id}.log", "{}.log", "a}b.log", "a/", "../a/../b.log"]
)
def test_a_path_that_makes_no_sense_is_refused(path):
    with pytest.raises(ValidationError):
        sink(path)


async def test_a_second_writer_is_refused(tmp_path):
    to = sink(tmp_path / "app.ndjson")
    async with to.connect():
        with pytest.raises(SinkError):
            await send(to, (events(0, 1), "b1"))


async def test_a_file_that_would_become_too_large_gets_a_number_and_is_compressed(tmp_path):
    to = sink(tmp_path / "app.ndjson", size="1KB")
    async with to.connect() as connection:
        for number in range(0, 30, 5):
            await connection.send(events(number, 5), f"b{number}")
        await until(lambda: len(list(tmp_path.glob("*.gz"))) == 5)
    assert plain(tmp_path) == ["app.1.ndjson.gz", *[f"app.{n}.ndjson.gz" for n in range(2, 6)], "app.ndjson"]
    packed = gzip.decompress((tmp_path / "app.2.ndjson.gz").read_bytes()).decode()
    assert [json.loads(line)["id"] for line in packed.splitlines()] == [f"e{n}" for n in range(5, 10)]


def touched(path: Path, moment: datetime, content: str = "x\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    return path


def test_a_file_of_yesterday_is_finished_when_its_path_holds_no_date(tmp_path):
    file = touched(tmp_path / "app.ndjson", NOW - timedelta(days=1))
    assert not rotate_if_due(file, 10, 1_000, None, UTC)
    assert rotate_if_due(file, 10, 1_000, NOW.date(), UTC)
    assert not rotate_if_due(file, 10, 1_000, NOW.date(), UTC)
    assert plain(tmp_path) == ["app.1.ndjson"]


def nothing() -> None:
    pass


def test_files_of_other_days_are_compressed_once_nothing_more_comes(tmp_path):
    template = Template(f"{tmp_path}/{{service}}/%Y-%m-%d.log")
    touched(tmp_path / "a/2026-11-20.log", NOW - timedelta(days=2))
    touched(tmp_path / "a/2026-11-21.log", NOW - timedelta(minutes=10))  # events that come late
    touched(tmp_path / "a/2026-11-22.log", NOW - timedelta(hours=5))  # today's
    touched(tmp_path / "unrelated.log", NOW - timedelta(days=9))
    touched(tmp_path / "a/notes.txt", NOW - timedelta(days=9))
    tidy(template, Keeping("zstd", None, None), NOW, nothing)
    assert plain(tmp_path) == [
        "a/2026-11-20.log.zst",
        "a/2026-11-21.log",
        "a/2026-11-22.log",
        "a/notes.txt",
        "unrelated.log",
    ]
    packed = tmp_path / "a/2026-11-20.log.zst"
    assert zstandard.ZstdDecompressor().stream_reader(packed.read_bytes()).read() == b"x\n"
    assert packed.stat().st_mtime == (NOW - timedelta(days=2)).timestamp()


@pytest.mark.parametrize("how", ["gzip", "zstd"])
@pytest.mark.parametrize("content", ["x\n", "late\n"])
def test_a_compressed_file_is_never_written_over(tmp_path, how, content):
    template = Template(f"{tmp_path}/%d.log")
    touched(tmp_path / "20.log", NOW - timedelta(days=2))
    tidy(template, Keeping(how, None, None), NOW, nothing)
    touched(tmp_path / "20.log", NOW - timedelta(days=1), content)
    tidy(template, Keeping(how, None, None), NOW, nothing)
    # The same content is what a crash left; other content came late.
    assert len(plain(tmp_path)) == (1 if content == "x\n" else 2)


@pytest.mark.parametrize("left_by_a_crash", [False, True])
def test_what_comes_while_its_file_is_compressed_is_not_lost(tmp_path, monkeypatch, left_by_a_crash):
    template, path = Template(f"{tmp_path}/%d.log"), tmp_path / "20.log"
    touched(path, NOW - timedelta(days=2))
    publish, same = rotation.disk.publish, rotation._same

    def late(function):
        def called(*arguments):
            result = function(*arguments)
            with path.open("a") as file:
                file.write("late\n")
            return result

        return called

    with monkeypatch.context() as patch:
        if left_by_a_crash:
            (tmp_path / "20.log.gz").write_bytes(gzip.compress(b"x\n"))
            patch.setattr(rotation, "_same", late(same))
        else:
            patch.setattr(rotation.disk, "publish", late(publish))
        tidy(template, Keeping("gzip", None, None), NOW, nothing)
    assert path.read_text() == "x\nlate\n"
    touched(path, NOW - timedelta(days=2), path.read_text())
    tidy(template, Keeping("gzip", None, None), NOW, nothing)
    assert [gzip.decompress(one.read_bytes()) for one in tmp_path.glob("*.gz")] == [b"x\nlate\n"]
    assert not path.exists()


def test_a_file_that_a_crash_left_twice_counts_once_among_those_that_stay(tmp_path):
    touched(tmp_path / "a.1.log", NOW - timedelta(days=1))
    (tmp_path / "a.1.log.gz").write_bytes(gzip.compress(b"x\n"))
    tidy(Template(f"{tmp_path}/a.log"), Keeping("gzip", 1, None), NOW, nothing)
    assert plain(tmp_path) == ["a.1.log.gz"]


def test_only_so_many_and_so_old_files_stay_of_each_family(tmp_path):
    template = Template(f"{tmp_path}/{{service}}.log")
    for age in range(1, 7):
        for service in ("a", "b"):
            touched(tmp_path / f"{service}.{7 - age}.log", NOW - timedelta(days=age))
    touched(tmp_path / "a.log", NOW - timedelta(days=9))
    tidy(template, Keeping("none", 4, None), NOW, nothing)
    assert plain(tmp_path) == [
        "a.3.log",
        "a.4.log",
        "a.5.log",
        "a.6.log",
        "a.log",
        *[f"b.{n}.log" for n in range(3, 7)],
    ]
    tidy(template, Keeping("gzip", 4, timedelta(days=2, hours=1)), NOW, nothing)
    assert plain(tmp_path) == ["a.5.log.gz", "a.6.log.gz", "a.log", "b.5.log.gz", "b.6.log.gz"]


def test_whoever_is_to_stop_leaves_no_half_compressed_file(tmp_path):
    touched(tmp_path / "a.1.log", NOW)
    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tidy(Template(f"{tmp_path}/a.log"), Keeping("gzip", None, None), NOW, stop)
    assert plain(tmp_path) == ["a.1.log"]


async def test_without_room_nothing_of_the_batch_is_in_any_file(tmp_path, monkeypatch):
    to = sink(tmp_path / "{service}.ndjson")
    await send(to, (events(0, 2), "b1"))
    both = Batch.of([{"id": "x", "service": "comfyui"}, {"id": "y", "service": "other"}])
    written = []

    def full(descriptor, content):
        written.append(content)
        if len(written) == 2:
            os.write(descriptor, content[:5])
            raise OSError(28, "No space left on device")
        return os.write(descriptor, content)

    with monkeypatch.context() as patch:
        patch.setattr("safelight.disk.write_all", full)
        with pytest.raises(SinkError, match="No space"):
            await send(to, (both, "b2"))
    assert ids(tmp_path / "comfyui.ndjson") == ["e0", "e1"]
    assert ids(tmp_path / "other.ndjson") == []
    await send(to, (both, "b2"))
    assert ids(tmp_path / "comfyui.ndjson") == ["e0", "e1", "x"]
    assert ids(tmp_path / "other.ndjson") == ["y"]


def test_a_crash_at_any_step_leaves_no_half_line_and_doubles_no_batch(tmp_path):
    batches = {f"b{n}": {name: f"{n}{name}\n".encode() * 3 for name in ("one", "two")} for n in range(3)}
    step, finished = 0, False
    while not finished:
        step += 1
        directory = tmp_path / str(step)
        told: list[str] = []
        with dying_disk_at(step) as dying:
            commits = Commits.open(directory, "f")
            try:
                for batch, contents in batches.items():
                    commits.write(batch, {directory / name: content for name, content in contents.items()})
                    told.append(batch)
            finally:
                commits.close()
        finished = not dying.dead
        commits = Commits.open(directory, "f")
        for batch, contents in batches.items():  # the queue sends again what it was not told of
            if batch not in told and batch != commits.last:
                commits.write(batch, {directory / name: content for name, content in contents.items()})
        commits.close()
        for name in ("one", "two"):
            assert (directory / name).read_bytes() == b"".join(contents[name] for contents in batches.values())
    assert step > 15


KILLED = """
import sys
from pathlib import Path
from safelight.sinks.file.commit import Commits
directory, number = Path(sys.argv[1]), int(sys.argv[2]) + 1
commits = Commits.open(directory, "f")
if commits.last == str(number):  # written, and nobody was told: the queue sends it again, and it is known
    number += 1
while True:
    commits.write(str(number), {directory / name: f"{number} {name}\\n".encode() * 50 for name in ("one", "two")})
    print(number, flush=True)
    number += 1
"""


def test_a_writer_that_is_killed_again_and_again_leaves_every_batch_once(tmp_path):
    acknowledged = -1
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), str(acknowledged)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(20):
            acknowledged = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().splitlines()
        acknowledged = int(rest[-1]) if rest else acknowledged
        process.stdout.close()
        process.wait(30)
    commits = Commits.open(tmp_path, "f")
    assert int(commits.last or acknowledged) >= acknowledged
    commits.close()
    for name in ("one", "two"):
        numbers = [int(line.split()[0]) for line in (tmp_path / name).read_text().splitlines()]
        assert numbers == [number for number in range(numbers[-1] + 1) for _ in range(50)]
        assert numbers[-1] >= acknowledged
