from __future__ import annotations

from pathlib import Path

import pytest

from safelight.disk import publish


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "whole.bin"

    def fail(aside: Path) -> None:
        aside.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        publish(target, fail)
    assert list(tmp_path.iterdir()) == []
    publish(target, lambda aside: aside.write_bytes(b"whole"))
    assert target.read_bytes() == b"whole"


def test_a_file_is_its_owners_business_from_its_first_byte_on(tmp_path):
    modes = []

    def write(aside: Path) -> None:
        with aside.open("wb") as file:
            modes.append(aside.stat().st_mode & 0o777)
            file.write(b"secret")

    target = tmp_path / "whole.bin"
    (tmp_path / "whole.bin.tmp").write_bytes(b"a leftover that anybody may read")
    publish(target, write)
    assert [*modes, target.stat().st_mode & 0o777] == [0o600, 0o600]
