"""The steps between a source and the store, in their order."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from .batch import Batch, Process, compose
from .locales import text
from .processors import Processor
from .processors.enrich import Enrich
from .processors.fingerprint import Fingerprint
from .processors.locate import Locate
from .processors.parse import Parse
from .processors.redact import Redact, redact_text


def chain(processors: Sequence[Processor], profile: str | None = None, timezone: str | None = None) -> Process:
    """What happens to the raw lines of one source: understood, given their node and host, taken through the configured
    steps, redacted after the last of them whatever was configured (laws, 5), and grouped by error."""
    return unbroken(
        compose(
            [
                Parse(profile=profile, timezone=timezone).build(),
                Locate().build(),
                Enrich().build(),
                *(processor.step() for processor in processors if not isinstance(processor, Redact)),
                redaction(processors),
                Fingerprint().build(),  # after redaction: without its digits a key is not known for one any more
            ]
        )
    )


def redaction(processors: Sequence[Processor]) -> Process:
    """As configured, or the default one. All there is for events that need no understanding, such as our own."""
    return compose([p.step() for p in processors if isinstance(p, Redact)] or [Redact().build()])


def unbroken(process: Process) -> Process:
    """The same steps, but a line on which one of them fails is kept and flagged, and the others go on (laws, 2)."""

    def run(batch: Batch) -> Batch:
        try:
            return process(batch)
        except Exception as error:  # noqa: BLE001 - a step may be anybody's
            if len(batch) > 1:
                half = len(batch) // 2
                parts = (run(Batch(batch.table.slice(0, half))), run(Batch(batch.table.slice(half))))
                return Batch(pa.concat_tables([part.table for part in parts]))
            return _flagged(batch, error)

    return run


def _flagged(batch: Batch, error: Exception) -> Batch:
    line = batch["raw"].combine_chunks().view("binary")[0].as_py() or b""
    shown = redact_text(line.decode("utf-8", "replace"), paths=False, addresses=False)
    why = text("pipeline.step_failed", reason=type(error).__name__)
    for name, value in {"timestamp": batch["received_at"], "message": shown, "raw": shown, "level": "ERROR"}.items():
        batch = batch.with_column(name, value)
    return batch.with_column("parse_error", why)
