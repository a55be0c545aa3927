"""The steps between a source and the store, in their order."""

from __future__ import annotations

from collections.abc import Sequence

from .batch import Process, compose
from .processors import Processor
from .processors.enrich import Enrich
from .processors.fingerprint import Fingerprint
from .processors.locate import Locate
from .processors.parse import Parse
from .processors.redact import Redact


def chain(processors: Sequence[Processor], profile: str | None = None, timezone: str | None = None) -> Process:
    """What happens to the raw lines of one source: understood, given their node and host, taken through the configured
    steps, grouped by error, and always redacted before disk (laws, 5), by the configured `redact` or by default."""
    own_redaction = any(isinstance(processor, Redact) for processor in processors)
    return compose(
        [
            Parse(profile=profile, timezone=timezone).build(),
            Locate().build(),
            Enrich().build(),
            *(processor.build() for processor in processors),
            Fingerprint().build(),
            *([] if own_redaction else [Redact().build()]),
        ]
    )


def redaction(processors: Sequence[Processor]) -> Process:
    """What happens to events that need no understanding, such as our own."""
    return compose([p.build() for p in processors if isinstance(p, Redact)] or [Redact().build()])
