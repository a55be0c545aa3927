"""Where a mistake stands, also inside lists and tables."""

from __future__ import annotations

import pytest

from safelight.config.place import line_of

FILE = """[[rules]]
id = "a"
then = [{ free_memory = {} }, { restart = { max = 1 } }]
[[rules]]
id = "b"
channels = ["x",
   "y]",  # a bracket, that is none
   "z"]
then = [
  # first
  { restart = { max = "2" } },
  { restart = { max = "bad",
     other = 3 } },
]
[server]
port = 1
[[rules]]
id = "c"
[[rules.then]]
free_memory = {}
[[rules]]
id = "d"
[alerts]
digest = { at = "8", zone = "Mars" }
"""


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("rules", 0, "then", 1, "restart", "max"), 3),
        (("rules", 1, "channels", 0), 6),
        (("rules", 1, "channels", 1), 7),
        (("rules", 1, "channels", 2), 8),
        (("rules", 1, "then"), 9),
        (("rules", 1, "then", 0, "restart", "max"), 11),
        (("rules", 1, "then", 1, "restart", "max"), 12),
        (("rules", 1, "then", 1, "restart", "other"), 13),
        (("rules", 1, "then", 9, "restart"), 11),
        (("rules", 1, "when"), 4),
        (("rules", 2, "id"), 18),
        (("rules", 3, "id"), 22),
        (("server", "port"), 16),
        (("alerts", "digest", "zone"), 24),
        (("nowhere",), None),
        ((), None),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_the_line_of_a_key_is_found(location, line):
    assert line_of(FILE, location) == line
