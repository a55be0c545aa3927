"""Importing files that are complete: once, from where an earlier import ended, packed or not."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import zlib
from types import SimpleNamespace

import pytest
import zstandard

from safelight.errors import InputError
from safelight.services import profile
from safelight.services.joiner import Joiner
from safelight.tail import lines, once, unpack
from safelight.tail.batches import raw_batch
from safelight.tail.once import read_once

TEXT = b'{"n":1}\n{"n":2}\nlast without an end'


def read(path, done=None, **options):
    done = {} if done is None else done
    found = []
    for part in read_once(str(path), lambda: Joiner(profile(None).grammar), dict(done), **options):
        found += part.records.texts
        done.update(part.checkpoint)
    return found


@pytest.mark.parametrize(
    ("name", "packed"),
    [("a.log", TEXT), ("a.log.gz", gzip.compress(TEXT, mtime=0)), ("a.log.zst", zstandard.compress(TEXT))],
)
def test_a_file_is_read_once_also_packed(tmp_path, name, packed):
    path = tmp_path / name
    path.write_bytes(packed)
    done = {}
    assert read(path, done) == [b'{"n":1}', b'{"n":2}', b"last without an end"]
    assert read(path, done) == []
    assert len(read(path, done, again=True)) == 3


def test_what_was_appended_since_is_read_alone(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b'{"n":1}\n')
    done = {}
    read(path, done)
    with path.open("ab") as file:
        file.write(b'{"n":2}\n')
    assert read(path, done) == [b'{"n":2}']


def test_other_content_under_the_same_name_is_read_whole(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b'{"n":1}\n')
    done = {}
    read(path, done)
    path.write_bytes(b'{"other":1}\n')
    assert read(path, done) == [b'{"other":1}']


def test_other_content_behind_the_same_head_is_read_whole(tmp_path):
    path, banner = tmp_path / "a.log", b"a banner without a time\n" * 20
    path.write_bytes(banner + b"first run\n")
    done = {}
    read(path, done)
    path.write_bytes(banner + b"other run\nand more\n")
    assert read(path, done)[-2:] == [b"other run", b"and more"]


def test_a_position_from_before_there_were_marks_is_continued(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b'{"n":1}\n{"n":2}\n')
    found = path.stat()
    position = {"path": str(path), "offset": 8, "generation": 7, "head_length": 8, "head_crc": zlib.crc32(b'{"n":1}\n')}
    assert read(path, {f"ingest:{found.st_dev}:{found.st_ino}": json.dumps(position)}) == [b'{"n":2}']


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_how_a_file_is_written(tmp_path, monkeypatch, pack, name):
    path = tmp_path / {bytes: "a.log", gzip.compress: "a.log.gz"}.get(pack, "a.log.zst")
    lines = ["灯", "光\u010a"] * 50
    path.write_bytes(pack("".join(f"{line}\r\n" for line in lines).encode(name)))
    expected = [line.encode() for line in lines]
    assert read(path) == expected
    monkeypatch.setattr(unpack, "CHUNK_BYTES", 100)
    monkeypatch.setattr(once, "CHUNK_BYTES", 100)
    first = next(read_once(str(path), lambda: Joiner(profile(None).grammar), {}))
    assert first.records.texts + read(path, dict(first.checkpoint)) == expected


def test_a_byte_order_mark_is_no_part_of_what_comes_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'\xef\xbb\xbf{"n":1}\n')))
    assert read("-") == [b'{"n":1}']


def test_a_line_that_was_cut_is_not_read_on_after_a_crash(tmp_path, monkeypatch):
    monkeypatch.setattr(once, "CHUNK_BYTES", 100)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 50)
    path = tmp_path / "a.log"
    path.write_bytes(b"{" + b"x" * 1000 + b"\nnext\n")
    first = next(read_once(str(path), lambda: Joiner(profile(None).grammar), {}))
    assert first.records.texts + read(path, dict(first.checkpoint)) == [b"{" + b"x" * 49, b"next"]


def test_an_empty_file_has_nothing(tmp_path):
    (tmp_path / "a.log").touch()
    assert read(tmp_path / "a.log") == []


@pytest.mark.parametrize(("name", "content"), [("no.such", None), ("a.gz", b"not packed"), ("a.zst", b"not packed")])
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / name)


def test_lines_from_standard_input_have_ids_of_their_own_each_time(monkeypatch):
    ids = []
    for moment in (1_795_000_000_000_000_000, 1_795_000_000_001_000_000):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'{"n":1}\n{"n":2}\n')))
        monkeypatch.setattr(once.time, "time_ns", lambda moment=moment: moment)
        ids += [id_ for part in read_once("-", lambda: Joiner(profile(None).grammar), {}) for id_ in part.records.ids()]
    assert len(set(ids)) == 4


def test_a_name_that_is_no_utf_8_is_read_once_too(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xc4.log")
    with open(path, "wb") as file:
        file.write(TEXT)
    done = {}
    parts = list(read_once(path, lambda: Joiner(profile(None).grammar), done))
    assert raw_batch([part.records for part in parts], {})["source"].to_pylist() == [str(tmp_path / "\\xc4.log")] * 3
    for part in parts:
        done.update(part.checkpoint)
    assert read(path, done) == []


def test_a_missing_file_whose_name_is_no_utf_8_can_be_told(tmp_path):
    with pytest.raises(InputError) as caught:
        read(os.fsdecode(os.fsencode(tmp_path) + b"/\xc4.log"))
    assert "\\xc4.log" in str(caught.value)


def test_a_position_that_cannot_be_read_means_from_the_start(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(TEXT)
    found = path.stat()
    assert len(read(path, {f"ingest:{found.st_dev}:{found.st_ino}": "{}"})) == 3


PLENTY = b"".join(b'{"n":%d,"id":"%032x"}\n' % (n, n * n * 0x9E3779B97F4A7C15) for n in range(20_000))
"""Enough for several blocks of either form."""


def read_damaged(path, done):
    found = []
    try:
        for part in read_once(str(path), lambda: Joiner(profile(None).grammar), dict(done)):
            found += part.records.texts
            done.update(part.checkpoint)
    except InputError as error:
        return found, error
    pytest.fail("the damage was not seen")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gz", "zst"])
@pytest.mark.parametrize("chunk", [once.CHUNK_BYTES, 1000])
def test_what_comes_before_the_damage_is_read_and_a_repaired_file_goes_on_there(tmp_path, monkeypatch, pack, chunk):
    monkeypatch.setattr(once, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(unpack, "CHUNK_BYTES", chunk)
    path = tmp_path / f"a.log.{'gz' if pack is gzip.compress else 'zst'}"
    packed = pack(PLENTY)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    done = {}
    found, told = read_damaged(path, done)
    whole = PLENTY.splitlines()
    assert len(whole) / 2 < len(found) < len(whole)
    assert found == whole[: len(found)]
    assert told.key == "tail.damaged"
    assert told.values["offset"] == sum(len(line) + 1 for line in found)
    again, told_again = read_damaged(path, done)
    assert (again, told_again.key) == ([], "tail.damaged")
    path.write_bytes(packed)
    assert found + read(path, done) == whole


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gz", "zst"])
def test_bytes_that_were_changed_on_the_way_are_damage_too(tmp_path, pack):
    path = tmp_path / f"a.log.{'gz' if pack is gzip.compress else 'zst'}"
    packed = bytearray(pack(PLENTY[:100_000]) + pack(PLENTY[100_000:]))
    second = len(pack(PLENTY[:100_000]))
    packed[second : second + 4] = b"oops"
    path.write_bytes(packed)
    found, told = read_damaged(path, {})
    assert found == PLENTY[:100_000].split(b"\n")[:-1]
    assert told.key == "tail.damaged"


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("a.gz", gzip.compress(b"one\ntwo\n", mtime=0)),
        ("a.zst", zstandard.ZstdCompressor(write_checksum=True).compress(b"one\ntwo\n")),
    ],
)
def test_a_packed_file_without_its_last_byte_gives_all_its_lines_and_says_so(tmp_path, name, packed):
    (tmp_path / name).write_bytes(packed[:-1])
    found, told = read_damaged(tmp_path / name, {})
    assert found == [b"one", b"two"]
    assert (told.key, told.values["offset"]) == ("tail.damaged", 8)


def test_a_packed_file_that_ends_within_its_first_line_cannot_be_read(tmp_path):
    (tmp_path / "a.zst").write_bytes(zstandard.compress(b"one and no end")[:-3])
    found, told = read_damaged(tmp_path / "a.zst", {})
    assert (found, told.key) == ([], "tail.unreadable")


def test_several_packed_pieces_in_a_row_are_one_file(tmp_path):
    skippable = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"  # RFC 8878, 3.1.2
    frames = zstandard.compress(b"one\ntw") + skippable + zstandard.compress(b"") + zstandard.compress(b"o\nthree\n")
    (tmp_path / "a.zst").write_bytes(frames)
    members = (
        gzip.compress(b"one\ntw", mtime=0)
        + gzip.compress(b"", mtime=0)
        + gzip.compress(b"o\nthree\n", mtime=0)
        + bytes(1000)
    )  # padded
    (tmp_path / "a.gz").write_bytes(members)
    for name in ("a.zst", "a.gz"):
        assert read(tmp_path / name) == [b"one", b"two", b"three"]


def test_a_pipe_is_read_without_a_position(tmp_path):
    ids = []
    for _ in range(2):
        reader, writer = os.pipe()
        os.write(writer, b"one\ntwo\n")
        os.close(writer)
        parts = list(read_once(f"/dev/fd/{reader}", lambda: Joiner(profile(None).grammar), {}))
        os.close(reader)
        assert [text for part in parts for text in part.records.texts] == [b"one", b"two"]
        assert not any(part.checkpoint for part in parts)
        ids += [id_ for part in parts for id_ in part.records.ids()]
    assert len(set(ids)) == 4


def test_a_directory_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"is a directory; name the files in it"):
        read(tmp_path)


def test_a_file_is_imported_before_only_if_something_of_it_was(tmp_path):
    path = tmp_path / "a.log"
    path.touch()
    done = {}
    assert not once.imported_before(str(path), done)
    path.write_bytes(TEXT)
    read(path, done)
    assert once.imported_before(str(path), done)
    path.write_bytes(b"")
    assert not once.imported_before(str(path), done)
    assert not once.imported_before("-", done)
