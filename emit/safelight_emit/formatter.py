"""Records of the standard `logging` as flat JSON objects."""

from __future__ import annotations

import logging
import re
from json import dumps

from .context import fields as bound_fields
from .emit import process_fields
from .encode import stamp, to_json, without_surrogates
from .plain import cut, error_fields, plain, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FOREIGN = re.compile(r"[^\x00-\x7f]")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JSONFormatter(logging.Formatter):
    r"""One record, one line, one flat JSON object.

    `timestamp` (ISO 8601, UTC, microseconds), `level`, `logger`, `module`, `func`, `lineno`, `message`; `service`,
    `instance`, `environment`, `host`; what is bound (`bind`); what the call gave (`extra=`), last and therefore on top;
    `error_type`, `error_message`, `traceback` of an exception. A dictionary logged as the message is taken as fields.
    Never fails: see `plain` and `encode` for what happens to values and sizes that JSON or a disk would not bear.

    Args:
        service, instance, environment: as in `configure`, for this formatter alone.
        fields: more fields for every line.
        ensure_ascii: write `\u7167` instead of `照`, for streams that are not UTF-8.
    """

    def __init__(
        self,
        service: str | None = None,
        instance: str | None = None,
        environment: str | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        ensure_ascii: bool = False,
    ) -> None:
        super().__init__()
        own = {"service": service, "instance": instance, "environment": environment, **snapshot(fields or {})}
        self._own = {name: value for name, value in own.items() if value is not None}
        self._ensure_ascii = ensure_ascii

    def format(self, record: logging.LogRecord) -> str:
        """`record` as one line, without its line end."""
        line = {
            "timestamp": stamp(round(record.created * 1e6) * 1000),
            "level": record.levelname,
            **process_fields(),
            **self._own,
            **bound_fields.get(),
            **record_fields(record),
        }
        text = to_json(line)
        if text.isascii():
            return text
        text = without_surrogates(text)
        return _FOREIGN.sub(lambda found: dumps(found[0])[1:-1], text) if self._ensure_ascii else text


def record_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record itself says, without time, level and process; safe to keep after the call."""
    fields: dict[str, Any] = {
        "logger": record.name,
        "module": record.module,
        "func": record.funcName,
        "lineno": record.lineno,
    }
    if type(record.msg) is dict and not record.args:
        fields.update(snapshot({str(name): value for name, value in record.msg.items()}))
    else:
        fields["message"] = _message(record)
    extra = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
    if extra:
        fields.update(snapshot(extra))
    if record.exc_info:
        fields.update(error_fields(*record.exc_info))
    elif record.exc_text:  # a QueueHandler keeps only this
        fields["traceback"] = cut(record.exc_text)
    if record.stack_info:
        fields["stack"] = cut(record.stack_info)
    return fields


def _message(record: logging.LogRecord) -> str:
    try:
        return cut(record.getMessage())
    except Exception:  # noqa: BLE001 - arguments that do not fit, or whose __str__ raises
        return f"{plain(record.msg)} {plain(record.args)}"
