"""A service looked at from outside: its page, its port, the files it writes."""

from __future__ import annotations

import os
import socket
import struct
from array import array
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import anyio
import msgspec
import pytest
from PIL import Image
from pydantic import ValidationError

from safelight.sources import outputs
from safelight.sources.outputs import Written, find, judge
from safelight.sources.probe import Probe
from support.measuring import Report
from support.ports import closed_port
from support.providers import Answer, Provider

QUICK = timedelta(milliseconds=5)


class Page(Provider):
    path = "/healthz"


@pytest.fixture
def page():
    with Page() as one:
        yield one


@asynccontextmanager
async def checks(resume=None, **fields):
    """`await next()`: the events of a check and its checkpoint."""
    source = Probe(**fields).model_copy(update={"every": QUICK})
    with anyio.fail_after(30):
        async with aclosing(source.arrivals(resume or {}, Report())) as arrivals:

            async def following():
                arrival = await anext(arrivals)
                return [msgspec.json.decode(line) for line in arrival.batch["raw"].to_pylist()], arrival.checkpoint

            yield following


async def one(**fields):
    async with checks(**fields) as following:
        ((event,), _) = await following()
    return event


@pytest.mark.anyio
async def test_a_page_that_answers_is_a_quiet_line_with_its_time(page):
    event = await one(url=page.url, service="ddcolor", headers={"X-Key": "k"}, contains="", within="20s")
    assert (event["event"], event["level"], event["service"]) == ("probe_checked", "DEBUG", "ddcolor")
    assert event["duration_ms"] > 0
    assert event["probe"] == {"target": page.url, "ok": True, "status": 200}
    assert page.received[0].headers["x-key"] == "k"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "fields", "wrong"),
    [
        (Answer(status=503), {}, "status"),
        (Answer(status=302), {"status": [200]}, "status"),
        (Answer(body=b"Model not loaded"), {"contains": "ready"}, "body"),
        (Answer(body=b"queue: 17"), {"matches": r"queue: [0-9]\b"}, "body"),
        (Answer(delay_s=0.05), {"within": "10ms"}, "slow"),
        (Answer(hang=True), {}, "unreachable"),
    ],
    ids=["503", "not 200", "without the text", "without a match", "slow", "closed"],
)
async def test_what_is_not_as_it_should_be_is_an_error_that_says_what(page, answer, fields, wrong):
    page.answers(answer)
    event = await one(url=page.url, **fields)
    assert (event["event"], event["level"], event["error_type"]) == ("probe_failed", "ERROR", wrong)
    assert page.url in event["error_message"]


@pytest.mark.anyio
@pytest.mark.parametrize("charset", ["hex", "idna", "zlib", "nonsense", "gbk"])
async def test_a_page_may_say_anything_of_its_encoding(page, charset):
    page.answers(Answer(200, b"all well", {"Content-Type": f"text/plain; charset={charset}"}))
    event = await one(url=page.url, contains="well")
    assert event["event"] == "probe_checked"


@pytest.mark.anyio
async def test_no_page_makes_a_pattern_slow(page):
    page.answers(Answer(200, b"a" * 40 + b"!"))
    event = await one(url=page.url, matches="^(a+)+$")
    assert (event["event"], event["error_type"]) == ("probe_failed", "body")


@pytest.mark.anyio
async def test_an_address_that_cannot_be_is_not_reached():
    event = await one(url=f"http://{'x' * 70}.invalid/")
    assert (event["event"], event["error_type"]) == ("probe_failed", "unreachable")


@pytest.mark.anyio
async def test_a_page_that_never_answers_is_given_up(page):
    page.answers(Answer(delay_s=2))
    assert "no answer in time" in (await one(url=page.url, timeout="50ms"))["message"]


@pytest.mark.anyio
async def test_only_so_many_failures_in_a_row_are_an_error_and_then_it_is_told_that_it_is_well(page):
    page.answers(*[Answer(status=500)] * 3)
    async with checks(url=page.url, after=2) as following:
        told = [(await following())[0][0] for _ in range(5)]
    assert [(event["event"], event["level"]) for event in told] == [
        ("probe_checked", "WARNING"),
        ("probe_failed", "ERROR"),
        ("probe_failed", "ERROR"),
        ("probe_recovered", "INFO"),
        ("probe_checked", "DEBUG"),
    ]


@pytest.mark.anyio
async def test_a_port_accepts_connections_or_does_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        assert (await one(tcp=where))["event"] == "probe_checked"
    with closed_port() as port:
        event = await one(tcp=f"127.0.0.1:{port}")
    assert (event["event"], event["error_type"]) == ("probe_failed", "unreachable")


def picture(path, *colours):
    image = Image.new("RGB", (64, 64), colours[0])
    for place, colour in enumerate(colours[1:]):
        image.paste(colour, (0, place * 8, 64, place * 8 + 8))
    image.save(path)


def settled(monkeypatch):
    monkeypatch.setattr(outputs, "SETTLED_S", 0.0)


@pytest.mark.anyio
async def test_each_new_file_is_judged_once_and_nothing_again_after_a_restart(tmp_path, monkeypatch):
    settled(monkeypatch)
    picture(tmp_path / "old.png", "black")
    pattern = str(tmp_path / "*.png")
    async with checks(files=[pattern]) as following:
        (only,), checkpoint = await following()
        assert only["event"] == "probe_checked"
        picture(tmp_path / "black.png", "black")
        picture(tmp_path / "good.png", "black", "red", "white")
        seen = {}
        while len(seen) < 2:
            events, checkpoint = await following()
            seen |= {os.path.basename(event["path"]): event for event in events if event["event"] == "output_saved"}
    assert (seen["black.png"]["level"], seen["black.png"]["error_type"]) == ("ERROR", "black")
    assert (seen["good.png"]["level"], seen["good.png"]["check"], seen["good.png"]["width"]) == ("INFO", "ok", 64)

    (tmp_path / "empty.png").touch()  # while nobody looked
    async with checks(resume=checkpoint, files=[pattern]) as following:
        events, _ = await following()
    assert [(event["path"], event.get("check")) for event in events[:-1]] == [(str(tmp_path / "empty.png"), "empty")]


@pytest.mark.anyio
async def test_output_that_stays_away_is_stale_and_none_at_all_is_missing(tmp_path):
    event = await one(files=[str(tmp_path / "*.png")], fresh="10m")
    assert (event["event"], event["error_type"]) == ("probe_failed", "missing")
    picture(tmp_path / "one.png", "red", "white")
    assert (await one(files=[str(tmp_path / "*.png")], fresh="10m"))["event"] == "probe_checked"
    assert (await one(files=[str(tmp_path / "*.png")]))["probe"]["new"] == 0
    stale = Probe(files=["x"], fresh="10m")._age(1, 0)
    assert stale.wrong == "stale"


def written(path, content=None):
    if content is not None:
        path.write_bytes(content)
    return Written(str(path), path.stat().st_size, 0)


def npy(values, descr="<f4", version=1):
    header = repr({"descr": descr, "fortran_order": False, "shape": (len(values),)}).encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + array("d" if "8" in descr else "f", values).tobytes()


@pytest.mark.parametrize(
    ("name", "content", "check"),
    [
        ("a.png", b"", "empty"),
        ("a.png", b"no image", "unreadable"),
        ("a.txt", b"text", "unchecked"),
        ("a.npy", npy([0.0, float("nan")]), "nan"),
        ("a.npy", npy([0.5, 0.5], "<f8", 2), "uniform"),
        ("a.npy", npy([0.5, 0.25]), "ok"),
        ("a.npy", npy([], "<i8"), "unchecked"),
        ("a.npy", b"\x93NUMPY\x01", "unreadable"),
        ("a.npy", b"something else", "unreadable"),
        ("a.npy", b"\x93NUMPY\x01\x00\x01\x001", "unreadable"),
        ("a.npy", b"\x93NUMPY\x02\x00\x88\x13\x00\x00" + b"[" * 5_000, "unreadable"),
    ],
    ids=["empty", "broken", "text", "nan", "uniform", "numbers", "integers", "cut", "no numpy", "no header", "deep"],
)
def test_a_file_is_judged_by_what_it_holds(tmp_path, name, content, check):
    assert judge(written(tmp_path / name, content), None)["check"] == check


def test_a_tiff_that_would_fill_the_memory_is_not_looked_into(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    Image.new("F", (40, 40), 0.5).save(tmp_path / "a.tiff")
    assert judge(written(tmp_path / "a.tiff"), None)["check"] in {"unreadable", "unchecked"}


@pytest.mark.parametrize(("value", "check"), [(float("nan"), "nan"), (0.25, "ok"), (0.0, "uniform")])
def test_numbers_in_a_tiff_are_searched_too(tmp_path, value, check):
    image = Image.new("F", (4, 4), 0.0)
    image.putpixel((1, 1), value)
    image.save(tmp_path / "a.tiff")
    assert judge(written(tmp_path / "a.tiff"), None)["check"] == check


def test_a_tiff_of_one_colour_is_uniform_and_one_that_is_none_unreadable(tmp_path):
    Image.new("RGB", (4, 4), (7, 7, 7)).save(tmp_path / "grey.tif")
    assert judge(written(tmp_path / "grey.tif"), None)["check"] == "uniform"
    assert judge(written(tmp_path / "b.tif", b"broken"), None)["check"] == "unreadable"


def test_a_small_file_is_told_as_such(tmp_path):
    picture(tmp_path / "a.png", "red", "white")
    assert judge(written(tmp_path / "a.png"), 1_000_000)["check"] == "too_small"


def test_a_file_that_is_still_written_waits_and_others_that_are_no_files_are_passed_over(tmp_path, monkeypatch):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    picture(tmp_path / "a.png", "red")
    now = (tmp_path / "a.png").stat().st_ctime_ns
    assert find([str(tmp_path / "*.png")], 0, now).new == ()
    later = find([str(tmp_path / "*.png")], 0, now + 2_000_000_000)
    assert [os.path.basename(one.path) for one in later.new] == ["a.png"]
    assert later.newest_ns == now


def test_many_files_are_looked_at_in_turns_that_split_no_moment(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "MOST_AT_ONCE", 2)
    files = [Written(f"{n}", 1, moment) for n, moment in enumerate([1, 2, 2, 3])]
    assert [one.path for one in outputs._whole_moments(files)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"url": "http://a", "tcp": "a:1"},
        {"url": "ftp://a"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://a", "matches": "("},
        {"tcp": "nowhere"},
    ],
    ids=["nothing", "two things", "no page", "no such port", "no pattern", "no port"],
)
def test_a_probe_looks_at_one_thing_that_can_be_looked_at(fields):
    with pytest.raises(ValidationError):
        Probe(**fields)
