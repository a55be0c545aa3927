"""What an image file shows, from its header and a sample of its pixels, with the standard library.

Dimensions are read from the headers of PNG (ISO/IEC 15948), JPEG (ITU T.81, frame header), WebP (RFC 9649) and GIF89a.
Pixels are sampled, some 64 by 64 of them: by Pillow where the process has loaded it (ComfyUI has), else PNGs alone, by
inflating them. Transparent pixels count as they look on white. Beyond LOOK_BYTES of file or LOOK_PIXELS of image
(INFLATE_PIXELS without Pillow) only the header is judged.
"""

from __future__ import annotations

import struct
import sys
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, BinaryIO

LOOK_BYTES = 64_000_000
LOOK_PIXELS = 40_000_000
INFLATE_PIXELS = 1_000_000  # a second of Python
SAMPLE_SIDE = 64  # the sampled picture is at most this wide and high
BLACK = 2  # of 255: what counts as black, since JPEG rounds

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # PNG colour type: samples a pixel
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG start-of-frame markers


class Unreadable(Exception):
    """No image of the kind it says it is."""


def judge(path: str, size: int) -> dict[str, Any]:
    """`width`, `height` and `check` ("ok", "black", "uniform", "unreadable", "unchecked") of the image at `path`."""
    try:
        with open(path, "rb") as file:
            width, height = dimensions(file)
    except (Unreadable, OSError, struct.error):
        return {"check": "unreadable"}
    found: dict[str, Any] = {"width": width, "height": height, "check": "unchecked"}
    if size > LOOK_BYTES or width * height > LOOK_PIXELS:
        return found
    try:
        if "PIL.Image" in sys.modules:
            colours: list[tuple[int, ...]] | None = _by_pillow(path)
        else:
            colours = _by_inflating(path) if width * height <= INFLATE_PIXELS else None
    except (Unreadable, OSError, ValueError, SyntaxError, struct.error, zlib.error):  # SyntaxError: Pillow, broken PNG
        return {**found, "check": "unreadable"}
    if colours is not None:
        found["check"] = verdict(colours)
    return found


def dimensions(file: BinaryIO) -> tuple[int, int]:
    """(width, height) from the header.

    Raises:
        Unreadable: it is none of the four kinds, or broken off.
    """
    head = file.read(30)
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        size = struct.unpack(">II", head[16:24])
    elif head[:6] in {b"GIF87a", b"GIF89a"}:
        size = struct.unpack("<HH", head[6:10])
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        size = _webp(head)
    elif head[:3] == b"\xff\xd8\xff":
        size = _jpeg(file)
    else:
        raise Unreadable
    if not all(size):
        raise Unreadable
    return size[0], size[1]


def verdict(colours: Iterable[tuple[int, ...]]) -> str:
    """What sampled colours (0 to 255 each) are together: "black", "uniform" or "ok"."""
    seen: tuple[int, ...] | None = None
    black = uniform = True
    for colour in colours:
        black = black and max(colour) <= BLACK
        uniform = uniform and (seen is None or colour == seen)
        seen = colour
        if not (black or uniform):
            return "ok"
    return "black" if black else "uniform"


def _webp(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    raise Unreadable


def _jpeg(file: BinaryIO) -> tuple[int, int]:
    file.seek(2)
    for _ in range(1_000):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            raise Unreadable
        if marker[1] == 0xFF:  # fill byte
            file.seek(-1, 1)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if marker[1] in _FRAMES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
    raise Unreadable


def _by_pillow(path: str) -> list[tuple[int, ...]]:
    pillow: Any = sys.modules["PIL.Image"]
    with pillow.open(path) as image:
        image.draft("RGB", (SAMPLE_SIDE, SAMPLE_SIDE))  # a JPEG is then decoded small
        # NEAREST takes real pixels: an average would hide a fine pattern, and invent colours.
        side = (min(image.width, SAMPLE_SIDE), min(image.height, SAMPLE_SIDE))
        small = image.resize(side, resample=pillow.Resampling.NEAREST)
        if small.mode.startswith("I"):  # 16 bits of grey, which conversion to RGB would clip
            data = small.convert("I").tobytes()
            return [(grey >> 8,) for (grey,) in struct.iter_unpack("=i", data)]
        data = small.convert("RGBA").tobytes()
    return [_on_white(data[at : at + 3], data[at + 3]) for at in range(0, len(data), 4)]


def _by_inflating(path: str) -> list[tuple[int, ...]] | None:
    """Sampled pixels of a PNG; None for other kinds, and for the forms (interlaced, 1 to 4 bits) seldom saved."""
    with open(path, "rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return None
        header, data = b"", []
        while True:
            length, kind = struct.unpack(">I4s", file.read(8))
            body = file.read(length)
            checksum = file.read(4)
            if len(body) < length or zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
                raise Unreadable
            if kind == b"IHDR":
                header = body
            elif kind == b"IDAT":
                data.append(body)
            elif kind == b"IEND":
                break
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if interlaced or depth not in {8, 16} or colour == 3:
        return None
    step = _CHANNELS[colour] * depth // 8
    return _sampled_rows(b"".join(data), width, height, step, depth // 8, _CHANNELS[colour])


def _sampled_rows(data: bytes, width: int, height: int, step: int, sample: int, channels: int) -> list[tuple[int, ...]]:
    """Rows must be undone one after the other (each is told by the one above); pixels are then taken at a stride."""
    stride, inflate = width * step, zlib.decompressobj()
    buffer, above = bytearray(), bytes(stride)
    colours: list[tuple[int, ...]] = []
    rows, at, shown = 0, 0, channels - 1 if channels in {2, 4} else channels
    every_row, every_column = max(height // SAMPLE_SIDE, 1), max(width // SAMPLE_SIDE, 1)
    while rows < height:
        while len(buffer) <= stride:
            piece = inflate.decompress(inflate.unconsumed_tail or data[at : (at := at + 65_536)], 1_048_576)
            if not piece and at >= len(data):
                raise Unreadable
            buffer += piece
        above = _undone(buffer[0], buffer[1 : stride + 1], above, step)
        del buffer[: stride + 1]
        if rows % every_row == 0:
            for first in range(0, width * step, every_column * step):
                colour = above[first : first + shown * sample : sample]
                colours.append(tuple(colour) if shown == channels else _on_white(colour, above[first + shown * sample]))
        rows += 1
    return colours


def _on_white(colour: bytes, alpha: int) -> tuple[int, ...]:
    return tuple(value * alpha // 255 + 255 - alpha for value in colour)


def _undone(method: int, row: bytearray, above: bytes, step: int) -> bytes:
    """One row without its filter (ISO/IEC 15948, 9.2)."""
    if method == 1:
        for at in range(step, len(row)):
            row[at] = row[at] + row[at - step] & 255
    elif method == 2:
        for at, up in enumerate(above):
            row[at] = row[at] + up & 255
    elif method == 3:
        for at, up in enumerate(above):
            row[at] = row[at] + ((row[at - step] if at >= step else 0) + up >> 1) & 255
    elif method == 4:
        for at, up in enumerate(above):
            left, corner = (row[at - step], above[at - step]) if at >= step else (0, 0)
            row[at] = row[at] + _paeth(left, up, corner) & 255
    elif method:
        raise Unreadable
    return bytes(row)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    from_left, from_up, from_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    if from_left <= from_up and from_left <= from_corner:
        return left
    return up if from_up <= from_corner else corner
