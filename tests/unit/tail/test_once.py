"""Importing files that are complete: once, from where an earlier import ended, packed or not."""

from __future__ import annotations

import gzip
import io
import os
import sys
from types import SimpleNamespace

import pytest
import zstandard

from safelight.errors import InputError
from safelight.services import profile
from safelight.services.joiner import Joiner
from safelight.tail import once
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
    [("a.log", TEXT), ("a.log.gz", gzip.compress(TEXT)), ("a.log.zst", zstandard.compress(TEXT))],
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
