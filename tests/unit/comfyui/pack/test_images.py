"""A saved file is looked at once it is there: how large, how wide, and whether it shows anything."""

from __future__ import annotations

import random
import struct
import sys
import threading
import zlib
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


@pytest.fixture(autouse=True)
def without_pillow(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, pixel, *, colour=2, depth=8, filters=(0,), interlaced=0):
    """A PNG file; `pixel(x, y)` gives its samples, each row is filtered by the next of `filters`."""
    step, above, rows = _CHANNELS[colour] * depth // 8, bytes(width * _CHANNELS[colour] * depth // 8), b""
    for y in range(height):
        row = b"".join(b"".join(sample.to_bytes(depth // 8, "big") for sample in pixel(x, y)) for x in range(width))
        kind = filters[y % len(filters)]
        rows += bytes([kind]) + filtered(kind, row, above, step)
        above = row
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    parts = [chunk(b"IHDR", header), chunk(b"tEXt", b"prompt\0{}"), chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def filtered(kind, row, above, step):
    """ISO/IEC 15948, 9.2."""
    out = bytearray()
    for at, value in enumerate(row):
        left = row[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        up = above[at]
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda one: abs(guess - one))
        out.append(value - (0, left, up, (left + up) // 2, nearest)[kind] & 255)
    return bytes(out)


@pytest.fixture
def look(pack, tmp_path):
    def look(content, name="a.png"):
        path = tmp_path / name
        path.write_bytes(content)
        return pack.images.look(str(path))

    return look


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("level", "check"), [(lambda x, y: 0, "black"), (lambda x, y: 90, "uniform"), (lambda x, y: x * 9 % 256, "ok")]
)
def test_a_png_is_judged_by_its_pixels(look, colour, depth, level, check):
    alpha = [255 if depth == 8 else 65_535] if colour in {4, 6} else []
    shift = 256 if depth == 16 else 1
    shown = _CHANNELS[colour] - len(alpha)
    found = look(png(8, 6, lambda x, y: [level(x, y) * shift] * shown + alpha, colour=colour, depth=depth))
    assert (found["width"], found["height"], found["check"]) == (8, 6, check)
    assert found["bytes"] > 50


def test_what_is_transparent_counts_as_it_looks_on_white(look):
    assert look(png(4, 4, lambda x, y: [0, 0, 0, 255 * (x % 2)], colour=6))["check"] == "ok"
    assert look(png(4, 4, lambda x, y: [x, y, 0, 0], colour=6))["check"] == "uniform"


@settings(max_examples=25)
@given(
    colour=st.sampled_from(sorted(_CHANNELS)),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    seed=st.integers(0, 999),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_every_filter_of_a_png_is_undone(pack, tmp_path_factory, colour, filters, seed, size):
    width, height = size
    chance = random.Random(seed)
    channels = _CHANNELS[colour]
    pixels = [[[chance.randrange(256) for _ in range(channels)] for _ in range(width)] for _ in range(height)]
    path = tmp_path_factory.mktemp("png") / "a.png"
    path.write_bytes(png(width, height, lambda x, y: pixels[y][x], colour=colour, filters=filters))
    opaque = channels if channels in {1, 3} else channels - 1
    wanted = [
        tuple(pixel) if opaque == channels else pack.pixels._on_white(bytes(pixel[:opaque]), pixel[-1])
        for row in pixels
        for pixel in row
    ]
    assert pack.pixels._by_inflating(str(path)) == wanted


def test_a_large_png_is_sampled(pack, look, tmp_path):
    found = look(png(300, 200, lambda x, y: [7], colour=0))
    assert (found["width"], found["height"], found["check"]) == (300, 200, "uniform")
    assert len(pack.pixels._by_inflating(str(tmp_path / "a.png"))) < 70 * 80


@pytest.mark.parametrize(
    ("content", "name", "size"),
    [
        (b"GIF89a" + struct.pack("<HH", 20, 10) + bytes(30), "a.gif", (20, 10)),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0\x00\x11\x08\x00\x0a\x00\x14" + bytes(20), "a.jpg", (20, 10)),
        (b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\x13\0\0\x09\0\0", "a.webp", (20, 10)),
        (
            b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + (19 | 9 << 14).to_bytes(4, "little") + bytes(8),
            "a.webp",
            (20, 10),
        ),
        (b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + struct.pack("<HH", 20, 10), "a.webp", (20, 10)),
    ],
    ids=["gif", "jpeg", "webp extended", "webp lossless", "webp lossy"],
)
def test_dimensions_are_read_from_the_header(look, content, name, size):
    found = look(content, name)
    assert ((found["width"], found["height"]), found["check"]) == (size, "unchecked")


@pytest.mark.parametrize(
    ("content", "name", "check"),
    [
        (b"", "a.png", "empty"),
        (b"no image", "a.png", "unreadable"),
        (b"\x89PNG\r\n\x1a\n", "a.png", "unreadable"),
        (png(8, 8, lambda x, y: [x, y, 0])[:-30], "a.png", "unreadable"),
        (png(8, 8, lambda x, y: [x, y, 0]).replace(b"IDAT", b"IDAX"), "a.png", "unreadable"),
        (png(0, 8, lambda x, y: []), "a.png", "unreadable"),
        (b"\xff\xd8\xff" + bytes(50), "a.jpeg", "unreadable"),
        (png(4, 4, lambda x, y: [x], colour=0, interlaced=1), "a.png", "unchecked"),
        (b"a film", "a.mp4", "unchecked"),
    ],
    ids=["empty", "text", "broken off", "cut", "damaged", "no width", "jpeg of zeros", "interlaced", "film"],
)
def test_what_is_no_picture_is_called_what_it_is(look, content, name, check):
    assert look(content, name)["check"] == check


def test_what_is_not_there_is_missing(pack, tmp_path):
    assert pack.images.look(str(tmp_path / "a.png")) == {"check": "missing"}


def test_pillow_is_used_where_it_is_loaded(pack, look, monkeypatch):
    opened = []

    class Image:
        width, height, mode = 8, 8, "RGB"
        __enter__ = resize = convert = lambda self, *_, **__: self
        __exit__ = draft = lambda self, *_: None

        def tobytes(self):
            return bytes([1, 1, 1, 255] * 64)

    def open_(path):
        opened.append(path)
        return Image()

    pillow = SimpleNamespace(open=open_, Resampling=SimpleNamespace(NEAREST=0))
    monkeypatch.setitem(sys.modules, "PIL.Image", pillow)
    assert look(png(8, 8, lambda x, y: [x, y, 0]))["check"] == "black"
    assert len(opened) == 1


@pytest.fixture
def images(pack, told):
    return pack.images.Images(told)


def test_a_saved_file_becomes_one_event(images, told, tmp_path):
    (tmp_path / "a.png").write_bytes(png(4, 4, lambda x, y: [x, y, 0]))
    images.saved("w1", "9", "SaveImage", "a.png", "", "output", str(tmp_path / "a.png"))
    assert images.wait(60)
    (event,) = told.of("output_saved")
    assert event.pop("bytes") > 50
    assert event == {
        "workflow_id": "w1",
        "node_id": "9",
        "node": "SaveImage",
        "filename": "a.png",
        "subfolder": "",
        "type": "output",
        "path": str(tmp_path / "a.png"),
        "width": 4,
        "height": 4,
        "check": "ok",
    }


def test_its_place_is_comfyuis_folder_of_that_type(images, told, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_bytes(b"text")
    folders = SimpleNamespace(get_directory_by_type={"temp": str(tmp_path)}.get)
    monkeypatch.setitem(sys.modules, "folder_paths", folders)
    images.saved(None, "9", None, "a.txt", "sub", "temp")
    images.saved(None, "9", None, "b.txt", "", "nowhere")
    assert images.wait(60)
    known, unknown = told.of("output_saved")
    assert (known["bytes"], known["path"]) == (4, str(tmp_path / "sub" / "a.txt"))
    assert (unknown["check"], "path" in unknown) == ("unchecked", False)


def test_what_cannot_wait_is_told_unchecked_and_nobody_is_held_up(pack, told, monkeypatch):
    holding, may_go = threading.Event(), threading.Event()

    def slow(path):
        holding.set()
        may_go.wait(60)
        return {"check": "ok"}

    monkeypatch.setattr(pack.images, "QUEUE", 2)
    monkeypatch.setattr(pack.images, "look", slow)
    images = pack.images.Images(told)
    images.saved("w", "1", "S", "0.png", "", "output", "/0.png")
    assert holding.wait(60)
    for number in range(1, 5):
        images.saved("w", "1", "S", f"{number}.png", "", "output", f"/{number}.png")
    assert [event["filename"] for event in told.of("output_saved")] == ["3.png", "4.png"]
    may_go.set()
    assert images.wait(60)
    assert len(told) == 5


def test_a_look_that_fails_does_not_end_the_looking(pack, told, monkeypatch, tmp_path):
    def fails(path):
        raise RuntimeError(path)

    images = pack.images.Images(told)
    with monkeypatch.context() as broken:
        broken.setattr(pack.images, "look", fails)
        images.saved("w", "1", "S", "a.png", "", "output", "/a.png")
        assert images.wait(60)
    images.saved("w", "1", "S", "b.png", "", "output", str(tmp_path / "b.png"))
    assert images.wait(60)
    assert [event["check"] for event in told.of("output_saved")] == ["unchecked", "missing"]
