"""What an import tells of each file, whether or not it came to its end."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from safelight.importing import import_file


@dataclass
class Kept:
    """A destination that only remembers."""

    checkpoint: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def done(self) -> Mapping[str, str]:
        return self.checkpoint

    def take(self, batch, checkpoint, service):
        self.lines += batch["raw"].to_pylist()
        self.checkpoint.update(checkpoint)
        return {"events": len(batch), "not_understood": 0}


def test_a_damaged_file_has_its_counts_and_its_problem(tmp_path):
    path = tmp_path / "a.gz"
    whole = gzip.compress(b"one\ntwo\n", mtime=0)
    path.write_bytes(whole[:-8])
    target = Kept()
    found = import_file(str(path), None, target)
    assert (found.counts["lines"], found.counts["events"], found.counts["bytes"]) == (2, 2, 8)
    assert found.problem.key == "tail.damaged"
    path.write_bytes(whole + gzip.compress(b"three\n", mtime=0))
    found = import_file(str(path), None, target)
    assert (found.counts["lines"], found.problem, found.empty) == (1, None, False)
    assert target.lines == ["one", "two", "three"]


def test_a_missing_file_has_a_problem_and_no_counts(tmp_path):
    found = import_file(str(tmp_path / "no.such"), None, Kept())
    assert not any(found.counts.values())
    assert (found.problem.key, found.empty) == ("tail.unreadable", False)


@pytest.mark.parametrize(("name", "nothing"), [("a.log", b""), ("a.gz", gzip.compress(b"", mtime=0))])
def test_empty_is_told_apart_from_nothing_new(tmp_path, name, nothing):
    path = tmp_path / name
    path.write_bytes(nothing)
    assert import_file(str(path), None, Kept()).empty
    path.write_bytes(gzip.compress(b"one\n", mtime=0) if name == "a.gz" else b"one\n")
    target = Kept()
    assert not import_file(str(path), None, target).empty
    found = import_file(str(path), None, target)
    assert (found.counts["lines"], found.empty) == (0, False)
