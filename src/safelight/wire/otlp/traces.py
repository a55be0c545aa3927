"""Spans as events: one when it ended, with its duration, and one for each thing that happened during it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...event import Name
from .values import attributes, hexadecimal, merged, whole

KINDS: Final = ("", "internal", "server", "client", "producer", "consumer")
FAILED: Final = (2, "2", "STATUS_CODE_ERROR")
"""How a status says so. Names are against the specification, and sent all the same."""
EXCEPTION: Final = "exception"
"""https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/"""
_FAILURE: Final = ("error_type", "error_message", "traceback")


def events(span: Any) -> Iterator[dict[str, Any]]:
    """What happened during a span, and that it ended."""
    ids = {"trace_id": hexadecimal(span.trace_id), "span_id": hexadecimal(span.span_id)}
    said = attributes(span.attributes)
    fell: dict[str, Any] = {}
    for happened in span.events:
        details = attributes(happened.attributes)
        thrown = happened.name == EXCEPTION
        if thrown:  # the last one is why it failed
            fell = {name: details[name] for name in _FAILURE if name in details}
        own = {
            "timestamp": whole(happened.time_unix_nano) or None,
            "event": happened.name or None,
            "message": str(details.get("error_message") or happened.name),
            "level": "ERROR" if thrown and span.status.code in FAILED else "INFO",
            **ids,
        }
        yield merged(details, own)
    yield merged(said, {**_own(span, fell if span.status.code in FAILED else {}), **ids})


def _own(span: Any, fell: dict[str, Any]) -> dict[str, Any]:
    begin, end, kind = whole(span.start_time_unix_nano), whole(span.end_time_unix_nano), whole(span.kind)
    failed = span.status.code in FAILED
    links = [
        {"trace_id": trace, "span_id": hexadecimal(link.span_id)}
        for link in span.links
        if (trace := hexadecimal(link.trace_id))
    ]
    return {
        "timestamp": end or begin or None,
        "event": str(Name.SPAN_FINISHED),
        "message": span.name,
        "level": "ERROR" if failed else "INFO",
        "duration_ms": (end - begin) / 1e6 if 0 < begin <= end else None,
        "parent_span_id": hexadecimal(span.parent_span_id),
        "kind": KINDS[kind] if 0 < kind < len(KINDS) else None,
        "links": links or None,
        **({"error_message": span.status.message} if failed and span.status.message else {}),
        **fell,
    }
