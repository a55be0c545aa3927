"""Bodies are read whole and within bounds, whatever their sender does."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib

import anyio
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.sources import bodies as bodies_module
from safelight.sources.bodies import MOST_BYTES, WINDOW_BYTES, Bodies, Refused, decompressed
from safelight.sources.inbox import Busy

TEXT = b'{"message":"a line"}\n' * 5_000


def raw_deflate(data):
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


COMPRESSED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
every_coding = pytest.mark.parametrize("coding", COMPRESSED)


@every_coding
@settings(max_examples=30, deadline=None)
@given(parts=st.lists(st.binary(max_size=5_000), min_size=1, max_size=4))
def test_what_was_compressed_comes_back_also_from_several_members(coding, parts):
    body = b"".join(COMPRESSED[coding](part) for part in parts)
    assert decompressed(body, coding) == b"".join(parts)


def test_deflate_without_its_wrapping_is_understood_as_well():
    assert decompressed(raw_deflate(TEXT), "deflate") == TEXT


def test_a_body_of_nothing_holds_nothing():
    assert [decompressed(b"", coding) for coding in COMPRESSED] == [b""] * 3


@every_coding
def test_what_is_cut_off_is_damaged(coding):
    body = COMPRESSED[coding](TEXT)
    for end in (1, 5, len(body) // 2, len(body) - 1):
        with pytest.raises(Refused) as refused:
            decompressed(body[:end], coding)
        assert (refused.value.status, refused.value.why) == (400, "damaged")


@every_coding
@settings(max_examples=50, deadline=None)
@given(noise=st.binary(min_size=1, max_size=300), at=st.integers(0, 200))
def test_noise_is_refused_or_read_and_nothing_else(coding, noise, at):
    body = COMPRESSED[coding](b"some text that is not very long")
    try:
        found, status = decompressed(body[:at] + noise + body[at:], coding), 200
    except Refused as refused:
        found, status = b"", refused.status
    assert status in {200, 400}
    assert isinstance(found, bytes)


@every_coding
def test_more_than_the_limit_is_refused_while_it_is_decompressed(coding):
    body = COMPRESSED[coding](b"x" * 100_000)
    assert len(decompressed(body, coding, limit=100_000)) == 100_000
    with pytest.raises(Refused) as refused:
        decompressed(body, coding, limit=99_999)
    assert (refused.value.status, refused.value.why) == (413, "too_large")


def test_zstd_may_not_ask_for_a_large_window():
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = made.compress(b"x" * (WINDOW_BYTES * 2)) + made.flush()
    with pytest.raises(Refused) as refused:
        decompressed(body, "zstd")
    assert refused.value.status == 400


BOMB = """
import resource, sys, zlib, zstandard
from safelight.sources.bodies import Refused, decompressed
coding = sys.argv[1]
zeros = bytes(1 << 24)
if coding == "gzip":
    made = zlib.compressobj(wbits=31)
    start = made.compress(b"") + made.flush(zlib.Z_FULL_FLUSH)
    body = start + 640 * (made.compress(zeros) + made.flush(zlib.Z_FULL_FLUSH))
else:
    body = 640 * zstandard.ZstdCompressor().compress(zeros)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decompressed(body, coding)
except Refused as refused:
    print(refused.status, len(body), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_bomb_of_ten_gigabytes_takes_no_more_memory_than_a_body_may(coding):
    process = subprocess.run(
        [sys.executable, "-c", BOMB, coding], capture_output=True, text=True, timeout=110, check=True
    )
    status, size, taken = map(int, process.stdout.split())
    assert status == 413
    assert size < 12 << 20  # it is cheap to send
    unit = 1 if sys.platform == "darwin" else 1024
    assert taken * unit < MOST_BYTES + (64 << 20)


class Request:
    """As much of one as is asked for."""

    def __init__(self, *chunks, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._chunks = chunks

    async def stream(self):
        for chunk in self._chunks:
            yield chunk


async def read(reader, request):
    async with reader.read(request, lambda size: None) as body:
        return body


@pytest.mark.anyio
async def test_a_body_in_pieces_is_one_and_what_came_is_told():
    came = []
    async with Bodies().read(Request(b"a", b"", b"bc"), came.append) as body:
        assert body == b"abc"
    assert sum(came) == 3


@pytest.mark.anyio
@pytest.mark.parametrize("header", ["gzip", "GZIP", "x-gzip", " gzip ", "identity, gzip"])
async def test_a_coding_may_be_spelt_in_several_ways(header):
    body = gzip.compress(TEXT)
    assert await read(Bodies(), Request(body[:50], body[50:], content_encoding=header)) == TEXT


@pytest.mark.anyio
@pytest.mark.parametrize("header", ["br", "gzip, gzip", "compress", "gzip, zstd", "nonsense"])
async def test_another_coding_and_two_of_them_are_refused(header):
    with pytest.raises(Refused) as refused:
        await read(Bodies(), Request(TEXT, content_encoding=header))
    assert refused.value.status == 415


@pytest.mark.anyio
async def test_a_body_over_the_limit_is_refused_before_it_comes_or_while_it_does(monkeypatch):
    monkeypatch.setattr(bodies_module, "MOST_BYTES", 10)
    for request in (Request(content_length="11"), Request(b"x" * 8, b"x" * 8), Request(content_length="9" * 5_000)):
        with pytest.raises(Refused) as refused:
            await read(Bodies(), request)
        assert refused.value.status == 413
    assert await read(Bodies(), Request(b"x" * 10, content_length="10")) == b"x" * 10


@pytest.mark.anyio
async def test_all_bodies_together_have_a_limit_and_give_back_what_they_held(monkeypatch):
    monkeypatch.setattr(bodies_module, "MOST_IN_HAND_BYTES", 10)
    reader = Bodies()
    async with reader.read(Request(b"x" * 8), lambda size: None):
        with pytest.raises(Busy):
            await read(reader, Request(b"x" * 8))
    assert await read(reader, Request(b"x" * 8)) == b"x" * 8
    with pytest.raises(Refused):
        await read(reader, Request(b"damaged", content_encoding="gzip"))
    assert reader._in_hand == 0


@pytest.mark.anyio
async def test_a_sender_that_falls_silent_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(bodies_module, "SILENCE_S", 0.01)

    class Silent(Request):
        async def stream(self):
            yield b"a beginning"
            await anyio.sleep_forever()

    with pytest.raises(Refused) as refused:
        await read(Bodies(), Silent())
    assert refused.value.status == 408
