"""What the command line asks of an agent, which listens on no port: empty files in a sink's directory.

    retry-ID.request      put the dead letters into the queue again; whoever asks makes it
    retry-ID.answer       what became of it; whoever has the queue writes it, whoever asked reads it and removes it

A request is removed when it is answered. After a crash in between it is found again, and puts back what is left then:
`stock.requeue` takes no letter twice.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from .. import disk
from ..errors import InputError

_REQUEST: Final = ".request"
_ANSWER: Final = ".answer"
FORGOTTEN_S: Final = 3600.0
"""An answer that nobody has fetched after so long is removed with the next one."""
PATIENCE_S: Final = 30.0
_AGAIN_S: Final = 0.1


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many events went into the queue again; or, in a sentence, why that was not possible."""

    events: int = 0
    why_not: str = ""


def ask(directory: Path, patience_s: float = PATIENCE_S) -> Answer | None:
    """Of whoever has the queue in a sink's directory; None when nobody answers in time. Raises InputError when the
    directory cannot be written."""
    request = directory / f"retry-{uuid4().hex}{_REQUEST}"
    answer = request.with_suffix(_ANSWER)
    try:
        request.touch(mode=0o600)
        until = time.monotonic() + patience_s
        while not answer.exists():
            if time.monotonic() > until:
                request.unlink(missing_ok=True)  # nothing shall happen later that nobody expects any more
                return None
            time.sleep(_AGAIN_S)
        told = msgspec.json.decode(answer.read_bytes(), type=Answer)
        answer.unlink()
    except OSError as error:
        raise InputError("cli.buffer.unwritable", path=request, reason=error.strerror or str(error)) from error
    return told


def waiting(directory: Path) -> list[Path]:
    """The requests in a sink's directory. Raises OSError."""
    return sorted(directory.glob(f"retry-*{_REQUEST}"))


def answered(request: Path, told: Answer) -> None:
    """Tell whoever still waits, and be done with it. Raises OSError."""
    if request.exists():
        content = msgspec.json.encode(told)
        disk.publish(request.with_suffix(_ANSWER), lambda aside: _write(aside, content))
        request.unlink(missing_ok=True)
    for old in request.parent.glob(f"retry-*{_ANSWER}"):
        if time.time() - old.stat().st_mtime > FORGOTTEN_S:
            old.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
