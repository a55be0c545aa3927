"""What ComfyUI and its packs print, with the run and the node it was printed in.

Two ways in, each seeing what the other cannot:

    logging     a handler on the root logger, before ComfyUI's own: level, logger and thread are exact
    print       the `write` of ComfyUI's two stream interceptors (app/logger.py). Their `on_flush` hands its entries to
                the first callback only, which is ComfyUI's own log window, and only once somebody flushes: too late
                to know the node

A record that a handler then prints is recognised and not told twice. Printed lines have no level and are INFO, printed
tracebacks WARNING. ComfyUI's own reports of failed nodes and rejected prompts are INFO with `console_level`: the alarm
is `node_failed` or `run_rejected`.

Bounds: MESSAGE characters a record, RATE records a second (what comes beyond is counted, and the count told), and a
progress bar, which rewrites its line, is told once, as it ended. Never raises; never sees what it causes itself.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from time import monotonic

from .document import hide
from .lines import TRACEBACK, Lines, plain
from .run import current
from .safelight_emit.plain import cut, error_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MESSAGE = 16_000  # characters
RATE = 200  # records a second
PREFIX = 200  # characters that a handler may put before a message: time, level, colours

_NODE_FAILED = "!!! Exception during processing"
_FRAME = re.compile(r'execution\.py", line \d+, in (?:execute|get_output_data)\b')
_REPORT = re.compile(
    r"!!! Exception during processing|Got an OOM, unloading all loaded models"
    r"|Failed to validate prompt for output |\* \S.*:$|  - |Output will be ignored$|invalid prompt: "
)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Console(logging.Handler):
    """Listens to records and prints. `append` is safelight_emit's."""

    def __init__(self, append: Callable[..., None]) -> None:
        super().__init__()
        self._append = append
        self._thread = _Thread()
        self._second = 0.0
        self._count = self._left_out = 0
        self._streams: list[tuple[Any, Any]] = []  # and our `write` of each

    def install(self) -> None:
        """Listens from now on; again and again makes no difference."""
        root = logging.getLogger()
        if self not in root.handlers:
            root.handlers.insert(0, self)  # first: a record must be known before a stream prints it
        module: Any = sys.modules.get("app.logger")
        for name in ("stdout_interceptor", "stderr_interceptor"):
            stream = getattr(module, name, None)
            if stream is not None and not any(stream is known for known, _ in self._streams):
                self._listen(stream)

    def uninstall(self) -> None:
        """Listens no more."""
        logging.getLogger().removeHandler(self)
        for stream, write in self._streams:
            if vars(stream).get("write") is write:  # else somebody has wrapped ours, which then must stay
                del stream.write
        self._streams.clear()

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the lock of a handler: nothing but counters is shared, and a thread that prints must not wait."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """One record of the standard logging."""
        thread = self._thread
        if thread.inside:
            return
        thread.inside = True
        try:
            message = record.getMessage()
            if not thread.has_seen(message, record.levelno):
                self._record(record, message)
            thread.expect(message)
        except Exception:  # noqa: BLE001, S110 - a record that does not fit its arguments is its author's matter
            pass
        finally:
            thread.inside = False

    def _record(self, record: logging.LogRecord, message: str) -> None:
        level = _LEVELS[min(max(record.levelno // 10, 1), 5) - 1]
        fields: dict[str, Any] = {}
        if record.name == "root":
            if self._thread.is_report(message):
                fields["console_level"], level = "ERROR" if level == "INFO" else level, "INFO"
        else:
            fields["logger"] = record.name
        if record.exc_info:
            fields.update((name, hide(value)) for name, value in error_fields(*record.exc_info).items())
        self._tell(level, message, fields, int(record.created * 1e9))

    def _listen(self, stream: Any) -> None:
        original = stream.write

        def write(text: Any, /) -> Any:
            written = original(text)
            self._printed(id(stream), text)
            return written

        try:
            stream.write = write
        except (AttributeError, TypeError):  # a stream of another pack's making, without attributes
            return
        self._streams.append((stream, write))

    def _printed(self, stream: int, text: Any) -> None:
        thread = self._thread
        if thread.inside:
            return
        thread.inside = True
        try:
            if not thread.is_expected(text):
                for message, is_traceback in thread.lines(stream).feed(text):
                    thread.printed = message
                    self._tell("WARNING" if is_traceback else "INFO", message, {})
        except Exception:  # noqa: BLE001, S110 - printing goes on, whatever was printed
            pass
        finally:
            thread.inside = False

    def _tell(self, level: str, message: str, fields: dict[str, Any], moment: int = 0) -> None:
        message = plain(message).strip("\r\n")
        if not message.strip() or not self._has_room():
            return
        fields["message"] = hide(cut(message, MESSAGE))
        if (here := current()) is not None:
            fields["workflow_id"], fields["node"], fields["node_id"] = here
        self._append("log", level, {name: value for name, value in fields.items() if value is not None}, moment)

    def _has_room(self) -> bool:
        # Without a lock: some records more or less a second do not matter.
        now = monotonic()
        if now - self._second >= 1:
            left_out, self._left_out, self._count, self._second = self._left_out, 0, 0, now
            if left_out:
                fields = {"message": f"{left_out} lines of the console were left out", "count": left_out}
                self._append("log", "WARNING", fields)
        self._count += 1
        self._left_out += self._count > RATE
        return self._count <= RATE


class _Thread(threading.local):
    """What one thread is in the middle of."""

    def __init__(self) -> None:
        self.inside = False
        self.printed = ""  # the message last told of a print
        self._lines: dict[int, Lines] = {}
        self._expected: str | None = None  # the record whose print is to come
        self._failed_at: float | None = None

    def lines(self, stream: int) -> Lines:
        """What this thread writes to a stream."""
        return self._lines.setdefault(stream, Lines())

    def expect(self, message: str) -> None:
        """A record is about to be printed by the handlers after ours."""
        self._expected, self.printed = message, ""

    def is_expected(self, text: str) -> bool:
        """Whether `text` is that print: the message, after a short prefix of a formatter."""
        if self._expected is None:
            return False
        if not self._expected.strip():  # an empty line, of which handlers print their prefix
            self._expected = None
            return text.endswith("\n") and len(plain(text)) <= PREFIX
        before, found, after = plain(text).partition(plain(self._expected))
        return bool(found) and len(before) <= PREFIX and "\n" not in before and after[:1] in {"", "\n"}

    def has_seen(self, message: str, level: int) -> bool:
        """Whether a logger's own handler printed this record just before; with a level worth knowing it counts anew."""
        return bool(message) and level < logging.WARNING and self.printed.endswith(message)

    def is_report(self, message: str) -> bool:
        """Whether ComfyUI tells here what another event tells: a report's line, or the traceback right after it."""
        failed_at, self._failed_at = self._failed_at, monotonic() if message.startswith(_NODE_FAILED) else None
        if failed_at is not None and message.startswith(TRACEBACK):
            return monotonic() - failed_at < 1 and _FRAME.search(message) is not None
        return _REPORT.match(message) is not None
