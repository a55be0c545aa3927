"""Ports for peers that a test starts later, or stops and starts again in the same place.

A port that the kernel hands out for `bind(0)` is anybody's again once it is closed: a connection out of any process of
the machine may be given it meanwhile, and the server that comes back finds it taken. These lie below those that Linux
(from 32768) and macOS (from 49152) hand out, and each process of the tests begins at another place.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

_FIRST, _PORTS, _STEP = 20_000, 12_000, 503
_places = count()


def free_port() -> int:
    """A port that nobody listens on, and that this process is not given again."""
    for place in _places:
        port = _FIRST + (os.getpid() * _STEP + place) % _PORTS
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
        assert place < _PORTS, "every port is taken"
    raise AssertionError


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections until the end of the block: it is held by somebody who does not listen."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])
