"""`safelight ingest` says of each file what became of it."""

from __future__ import annotations

import gzip
import json
import os

import pytest
from click.testing import CliRunner

from safelight.cli.ingest import command


@pytest.fixture
def ingest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text("")

    def run(*arguments):
        return CliRunner().invoke(command, [*arguments, "--data", "data", "--config", "s.toml"])

    return run


def test_a_damaged_file_is_counted_and_told_and_the_next_one_goes_on(ingest, tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\ntwo\n", mtime=0)[:-8])
    (tmp_path / "b.log").write_bytes(b"three\n")
    told = ingest("a.gz", "b.log")
    assert told.exit_code == 1
    assert "a.gz: 2 records read, 2 events stored" in told.stdout
    assert "b.log: 1 records read" in told.stdout
    assert "All: 3 records" in told.stdout
    assert "a.gz is damaged after byte 8" in told.stderr


def test_a_damaged_file_counts_for_programs_too(ingest, tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\ntwo\n", mtime=0)[:-8])
    told = ingest("a.gz", "--json")
    assert (told.exit_code, json.loads(told.stdout)["events"]) == (1, 2)


def test_empty_and_nothing_new_are_two_sentences(ingest, tmp_path):
    path = tmp_path / "a.log"
    path.touch()
    assert ingest("a.log").stdout == "a.log is empty; there is nothing to import.\n"
    path.write_bytes(b"one\n")
    ingest("a.log")
    assert "nothing new since the last import" in ingest("a.log").stdout


def test_a_pipe_can_be_imported(ingest):
    reader, writer = os.pipe()
    os.write(writer, b"one\ntwo\n")
    os.close(writer)
    told = ingest(f"/dev/fd/{reader}")
    os.close(reader)
    assert (told.exit_code, "2 records read" in told.stdout) == (0, True)
