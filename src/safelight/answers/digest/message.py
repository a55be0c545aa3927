"""The digest as a notification, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from ...alerts.content import TITLE_MAX, cut, shown
from ...alerts.content.figures import size, span
from ...alerts.notification import FIRING, RESOLVED, Notification
from ...locales import catalogue, text
from ...rows import iso
from ...services.failures import advice, title
from .facts import Digest

RULE: Final = "digest"
SEVERITY: Final = 2
"""How it is queued: worth sending for a day."""
ALERTS_MAX: Final = 5
_MESSAGE_MAX: Final = 120


def message(told: Digest, *, key: str, language: str, zone: tzinfo, base_url: str | None) -> Notification:
    """One for each channel; `key` names the day and the channel."""
    return Notification(
        key=key,
        id=RULE,
        rule=RULE,
        severity=SEVERITY,
        status=RESOLVED if told.all_is_well else FIRING,
        title=_title(told, language, zone),
        text="\n".join(_lines(told, language, zone)),
        count=told.done + told.failed + told.interrupted + told.lost,
        started_at=iso(told.start),
        ended_at=iso(told.end),
        links={"alert": f"{base_url.rstrip('/')}/alerts"} if base_url else {},
        language=language,
    )


def _title(told: Digest, language: str, zone: tzinfo) -> str:
    key = "digest.title.well" if told.all_is_well else "digest.title"
    day = f"{told.end.astimezone(zone):%Y-%m-%d}"
    return cut(text(key, language, day=day, done=f"{told.done:,}", failed=f"{told.failed + told.lost:,}"), TITLE_MAX)


def _lines(told: Digest, language: str, zone: tzinfo) -> Iterator[str]:
    start, end = (f"{at.astimezone(zone):%m-%d %H:%M}" for at in (told.start, told.end))
    yield text("digest.span", language, start=start, end=end)
    if told.all_is_well:
        yield text("digest.well", language)
    yield _runs(told, language)
    if told.outputs:
        yield text("digest.outputs", language, count=f"{told.outputs:,}")
    if told.gpu_hours is not None:
        yield text("digest.gpu", language, hours=f"{told.gpu_hours:,.1f}")
    yield from _failures(told, language)
    for slower in told.slower:
        now, usual = span(slower.ms), span(slower.usual_ms)
        yield text("digest.slower", language, node=shown(slower.node), now=now, usual=usual)
    yield from _alerts(told, language)
    if told.late:
        yield text("digest.late", language, count=f"{told.late:,}")
    if told.disk is not None:
        yield text(
            "digest.disk",
            language,
            host=shown(told.disk.host),
            mount=shown(told.disk.mount),
            free=size(told.disk.free_mb),
            used=f"{told.disk.used_percent:.0f}",
        )
    if not told.complete:
        yield text("digest.incomplete", language)


def _runs(told: Digest, language: str) -> str:
    counts = [("done", told.done), ("failed", told.failed), ("lost", told.lost), ("interrupted", told.interrupted)]
    said = [text(f"digest.runs.{name}", language, count=f"{count:,}") for name, count in counts if count]
    if not said:
        return text("digest.nothing", language)
    return text("digest.runs", language, runs=text("alerts.place.separator", language).join(said))


def _failures(told: Digest, language: str) -> Iterator[str]:
    """Why, with what to do about each."""
    if told.failures:
        yield text("digest.why", language)
    for failure in told.failures:
        said = title(failure.group, language) or (shown(failure.message or "").splitlines() or [""])[0]
        what = cut(said or shown(failure.group), _MESSAGE_MAX)
        if failure.node:
            what = f"{shown(failure.node)}: {what}"
        yield text("digest.failure", language, count=f"{failure.count:,}", what=what)
        known = advice(failure.group, language)
        if known is not None:
            yield text("digest.advice", language, advice=known.advice)


def _alerts(told: Digest, language: str) -> Iterator[str]:
    if told.alerts:
        words = catalogue(language)
        rules = text("alerts.place.separator", language).join(
            f"{words.get(f'rule.{rule}.title', rule)} {count:,}" for rule, count in told.alerts[:ALERTS_MAX]
        )
        total = sum(count for _, count in told.alerts)
        yield text("digest.alerts", language, count=f"{total:,}", rules=rules)
    if told.muted:
        yield text("digest.muted", language, count=f"{told.muted:,}")
