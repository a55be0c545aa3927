"""The process's one writer and the calls that feed it: configure, event, timed, flush, health."""

from __future__ import annotations

import atexit
import os
import sys
from time import perf_counter, time_ns

from .context import fields as bound_fields
from .plain import IMMUTABLE, error_fields, snapshot
from .spool import FILE_BYTES, FILES, Spool, host_name
from .writer import CAPACITY, Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

EXIT_FLUSH = 2.0  # seconds that the end of the process may be held up when the disk does not answer

_writer = Writer()
_static: dict[str, Any] = {}  # the fields of every event of this process; empty until configured


def configure(
    *,
    service: str | None = None,
    instance: str | None = None,
    environment: str | None = None,
    directory: str | os.PathLike[str] | None = None,
    fields: Mapping[str, Any] | None = None,
    queue: int = CAPACITY,
    file_bytes: int = FILE_BYTES,
    files: int = FILES,
) -> None:
    """Says who this process is and where its spool lies. Optional; may be called again, for the events that follow.

    Args:
        service: default `$SAFELIGHT_SERVICE`, else the name of the script or module that was started.
        instance: which of several; default `$SAFELIGHT_INSTANCE`.
        environment: "production", "staging"...; default `$SAFELIGHT_ENVIRONMENT`.
        directory: the spool; default `$SAFELIGHT_SPOOL`, else the user's state directory.
        fields: more fields for every event, such as a version.
        queue: events that may wait for the disk; beyond it they are dropped and counted.
        file_bytes: size of a spool file, 64 KB at least.
        files: how many of them are kept.
    """
    global _static  # noqa: PLW0603 - one identity a process is the point
    named = {
        "service": service or os.environ.get("SAFELIGHT_SERVICE") or _program(),
        "instance": instance or os.environ.get("SAFELIGHT_INSTANCE"),
        "environment": environment or os.environ.get("SAFELIGHT_ENVIRONMENT"),
        "host": host_name(),
    }
    static = {name: value for name, value in named.items() if value}
    if fields:
        static.update(snapshot(fields))
    place = os.fspath(directory) if directory is not None else None
    spool = Spool(place, named["service"] or "", named["host"] or "", file_bytes=file_bytes, files=files)
    if _writer.spool is None or not _writer.spool.same_as(spool):
        _writer.flush(EXIT_FLUSH)  # what came before belongs to the place before; if that refuses, to the new one
        _writer.spool = spool
    _writer.capacity = queue
    _static = static


def event(name: str, /, *, level: str | int = "INFO", **fields: Any) -> None:
    """Appends one event to the spool: `event("image_processed", duration_ms=842)`.

    Returns at once and never raises. Lists, dicts and objects are copied here and now, so they may be changed
    afterwards; their cost is the caller's, that of plain values is not.
    """
    append(name, level, fields)


def append(name: str | None, level: str | int, fields: dict[str, Any], moment: int = 0) -> None:
    """What `event` does, for callers who have the fields in a dictionary that nobody else will change.

    `moment`: nanoseconds since 1970, default now.
    """
    try:
        if not IMMUTABLE.issuperset(map(type, fields.values())):
            fields = snapshot(fields)
        _writer.push((moment or time_ns(), level, name, _static or process_fields(), bound_fields.get(), fields))
    except Exception as error:  # noqa: BLE001 - the host process comes first
        if _writer is not None:  # as it is when a finalizer emits while modules are being taken down
            _writer.note(error)


class timed:  # noqa: N801 - reads as the verb it is
    """Emits one event when the block ends, with its `duration_ms`.

    ```
    with timed("image_processed", failed="processing_failed", format="1-inch") as fields:
        fields["faces"] = detect(image)
    ```
    An exception makes it an ERROR event, named `failed` if given, with `error_type`, `error_message` and
    `traceback`, and goes on its way; KeyboardInterrupt, cancellation and the like make it a WARNING.
    """

    __slots__ = ("_failed", "_fields", "_level", "_name", "_started")

    def __init__(self, name: str, /, *, failed: str | None = None, level: str | int = "INFO", **fields: Any) -> None:
        self._name, self._failed, self._level, self._fields = name, failed or name, level, fields

    def __enter__(self) -> dict[str, Any]:
        self._started = perf_counter()
        return self._fields

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fields = {**self._fields, "duration_ms": round((perf_counter() - self._started) * 1000, 3)}
        if kind is None:
            append(self._name, self._level, fields)
        else:
            fields.update(error_fields(kind, error, trace))
            append(self._failed, "ERROR" if issubclass(kind, Exception) else "WARNING", fields)


def flush(timeout: float = EXIT_FLUSH) -> bool:
    """Waits until every event so far is on disk; False when `timeout` seconds were not enough. Rarely needed: lines
    reach the disk within some milliseconds, and the end of the process flushes.
    """
    return _writer.flush(timeout)


def health() -> dict[str, Any]:
    """How the writer fares: `written`, `dropped` and `waiting` events, `failing`, `last_error`, `folder`."""
    return _writer.health()


def process_fields() -> dict[str, Any]:
    """`service`, `host` and the others that every event of this process carries. To be read only."""
    if not _static:
        configure()
    return _static


def _program() -> str:
    path = sys.argv[0] if getattr(sys, "argv", None) else ""
    folder, name = os.path.split(path)
    if name == "__main__.py":  # python -m package
        name = os.path.basename(folder)
    name = name.removesuffix(".py")
    return "python" if name in {"", "-c", "-m", "-"} else name


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_writer.after_fork)
atexit.register(_writer.flush, EXIT_FLUSH)
