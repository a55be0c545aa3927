"""What a sink may be called: its directory bears the name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from safelight.sinks.stdout import Stdout


@pytest.mark.parametrize(
    "name", ["", "a", "archive.2-b", "归档", "n" * 64], ids=["", "a", "marks", "chinese", "longest"]
)
def test_a_name(name):
    assert Stdout(name=name).called == (name or "stdout")


@pytest.mark.parametrize(
    "name", ["n" * 65, ".a", "a b", "a/b", "a\n"], ids=["long", "dot", "space", "slash", "line end"]
)
def test_no_name(name):
    with pytest.raises(ValidationError):
        Stdout(name=name)
