"""How repairs are reported: noted as events, told on the channels, in the language of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import anyio.to_thread

from ..alerts.content import TITLE_MAX, cut, shown
from ..alerts.content.safe import harmless, one_line
from ..alerts.mutes import FLAPPING
from ..alerts.notification import FIRING, RESOLVED, Notification
from ..alerts.repair import Repair
from ..alerts.views import Target
from ..errors import SafelightError
from ..event import Name
from ..locales import text
from ..note import Note
from ..remedies import Remedy, step
from ..remedies.cause import Cause, Said, render
from ..rows import iso

URGENT: Final = 3
"""The severity of what people must see to."""


class Announce(Protocol):
    """`Engine.announce`: a message of ours, once per key."""

    def __call__(self, key: str, build: Callable[[Target], Notification | None], /) -> Any:
        """Queue what `build` makes for each channel."""
        ...


@dataclass(frozen=True, slots=True)
class Reports:
    """Of one server. No rule tells what it tells: a failure makes one message."""

    announce: Announce
    note: Note
    told: Callable[[], None]
    """Wakes delivery."""
    language: str
    """Of events; each channel has its own."""

    def begins(self, repair: Repair) -> None:
        """A step begins."""
        plan = repair.remedy.plan(repair.cause).render(self.language)
        said = text("remedies.started", self.language, rule=repair.cause.rule, plan=plan)
        self._noted(repair, Name.REMEDY_STARTED, "INFO", said, {})

    async def ended(
        self,
        repair: Repair,
        status: str,
        said: Sequence[Said],
        *,
        took_ms: int | None = None,
        final: bool = False,
        tell: bool = True,
        hushed: str | None = None,
    ) -> None:
        """Note how a step went, and tell it. `final`: it failed, and nothing more is tried. `hushed`: why nobody is
        told of its alert: then only what is final is told, but not that what flaps was repaired too often."""
        words = [*said, *_what_next(repair, status, final=final)]
        attributes: dict[str, Any] = {"status": status, "dry_run": status == "dry_run"}
        if took_ms is not None:
            attributes["took_ms"] = took_ms
        level = "ERROR" if status == "failed" else "WARNING" if status == "skipped" and tell else "INFO"
        self._noted(repair, Name.REMEDY_FINISHED, level, render(words, self.language), attributes)
        if tell and (hushed is None or (final and (status, hushed) != ("skipped", FLAPPING))):
            await self._tell(repair, status, words, severity=URGENT if final else repair.severity)
        if final:
            self._noted(repair, Name.REMEDY_FAILED, "ERROR", render(words, self.language), attributes)

    async def page(self, repair: Repair, said: Sequence[Said]) -> None:
        """Something that people must know: note the failure, and tell it."""
        self._noted(repair, Name.REMEDY_FAILED, "ERROR", render(said, self.language), {"status": repair.status})
        await self._tell(repair, "failed", said, severity=URGENT, key=said[0].key)

    def fell_over(self, place: str, error: Exception) -> None:
        """What was to be done there broke off; it is looked at again."""
        reason = (
            error.render(self.language) if isinstance(error, SafelightError) else f"{type(error).__name__}: {error}"
        )
        said = text("app.task_failed", self.language, what=f"remedies, {place}", reason=reason)
        self.note(Name.TASK_FAILED, level="CRITICAL", message=said)

    def _noted(self, repair: Repair, event: Name, level: str, message: str, more: Mapping[str, Any]) -> None:
        self.note(
            event,
            level=level,
            message=message,
            attributes={
                "alert": repair.cause.alert,
                "rule": repair.cause.rule,
                "remedy": repair.remedy.kind(),
                "repair": repair.id,
                "dry_run": False,
                **more,
            },
            instance=repair.remedy.instance or repair.cause.labels.get("instance"),
        )

    async def _tell(self, repair: Repair, status: str, said: Sequence[Said], *, severity: int, key: str = "") -> None:
        def build(target: Target) -> Notification | None:
            if target.severity > severity:
                return None
            if repair.channels is not None and target.name not in repair.channels:
                return None
            return message(repair, status, said, target, severity)

        name = f"repair.{repair.id}.{status}{f'.{key}' if key else ''}"
        await anyio.to_thread.run_sync(self.announce, name, build)
        self.told()


def message(repair: Repair, status: str, said: Sequence[Said], target: Target, severity: int) -> Notification:
    """How a step went, for one channel."""
    remedy, cause = repair.remedy, repair.cause
    kind = {"failed": "failed", "skipped": "failed", "dry_run": "dry_run"}.get(status, "done")
    title = text(
        f"remedies.title.{kind}",
        target.language,
        rule=cause.rule,
        remedy=remedy.kind(),
        where=remedy.called(cause),
    )
    return Notification(
        key=f"repair.{repair.id}.{status}.{target.name}",
        id=cause.alert,
        rule=cause.rule,
        severity=severity,
        status=RESOLVED if kind == "done" else FIRING,
        title=cut(one_line(shown(title)), TITLE_MAX),
        text=harmless(render(said, target.language)),
        labels=dict(cause.labels),
        started_at=iso(repair.created_at),
        language=target.language,
    )


def otherwise(repair: Repair) -> list[Said]:
    """What would follow, as long as it does not help."""
    following = [] if repair.next is None else [repair.next[0], *repair.next[1]]
    return [said for kept in following for said in (Said("remedies.if_not"), _plan(kept, repair.cause))]


def _plan(kept: Any, cause: Cause) -> Said:
    remedy: Remedy = step(kept)
    return remedy.plan(cause)


def _what_next(repair: Repair, status: str, *, final: bool) -> list[Said]:
    if final:
        return [Said("remedies.no_more")]
    if status == "failed" and repair.next is not None:
        return [Said("remedies.next"), _plan(repair.next[0], repair.cause)]
    return []
