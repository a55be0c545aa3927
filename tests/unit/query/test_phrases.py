"""Text that every match must have is found in the filter, and nothing more than that."""

from __future__ import annotations

import pytest

from safelight.query.parse import parse
from safelight.query.phrases import phrases


@pytest.mark.parametrize(
    ("query", "needed"),
    [
        ("oom", ("oom",)),
        ('"out of memory" level:ERROR', ("out of memory",)),
        ("显存不足 AND (node:KSampler AND gpu)", ("显存不足", "gpu")),
        ("oom OR memory", ()),
        ("NOT oom", ()),
        ("message:oom", ()),
        ("oo*", ()),
        ("*", ()),
    ],
)
def test_only_what_every_match_has_is_needed(query, needed):
    assert phrases(parse(query).filter) == needed
