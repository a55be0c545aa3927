"""Structured events and JSON logs from any Python process, appended to a local spool. No dependencies.

Nothing here blocks, raises into the caller, prints, or imports anything heavy. `context` and `event` come with
the package; what needs `logging` is imported when it is first asked for.

    plain      values as plain JSON data: snapshots, limits, secrets
    encode     one event as one line: time, id, JSON
    context    fields bound to the current task, request or thread
    spool      the folder of a process: files, rotation, cap
    writer     the bounded queue and the thread that empties it
    emit       configure, event, timed, flush, health
    formatter, handler, logfile     for the standard `logging`
    asgi       request ids, request events, /healthz
"""

from __future__ import annotations

from .context import bind, carry, current
from .emit import configure, event, flush, health, timed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import asgi as asgi
    from .formatter import JSONFormatter as JSONFormatter
    from .handler import SpoolHandler as SpoolHandler
    from .logfile import JSONFileHandler as JSONFileHandler

__all__ = [
    "JSONFileHandler",
    "JSONFormatter",
    "SpoolHandler",
    "bind",
    "carry",
    "configure",
    "current",
    "event",
    "flush",
    "health",
    "timed",
]

_LATE = {"JSONFormatter": "formatter", "SpoolHandler": "handler", "JSONFileHandler": "logfile", "asgi": "asgi"}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415 - late, as the names it serves

    module = import_module(f".{_LATE[name]}", __name__)
    return module if name == _LATE[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
