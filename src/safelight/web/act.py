"""`/act/TOKEN`: what a link in a message does. Whoever has the link may do that one thing.

GET shows what it would do and changes nothing: chats fetch links to preview them. POST does it and says what happened.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Final
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from ..alerts.links import Action, Do, LinkExpired, LinkForged
from ..errors import PromptRejected, SafelightError, ServiceError
from ..hostzone import HostZone
from ..locales import text
from .act_page import Button, Page, render
from .reply import language_of
from .security import LOOPBACK

FORM_MAX: Final = 4_096
"""Bytes of a form that is read."""
NAME_MAX: Final = 60
DONE_MAX: Final = 1_000
"""Links whose runs were submitted again and that say so when they are tapped again."""
MORNING: Final = time(8, 0)
"""When a silence until the morning ends, where no quiet hours say it."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}
_LENGTHS: Final = {"1h": timedelta(hours=1), "4h": timedelta(hours=4)}

Alerts = Sequence[Mapping[str, Any]]


def mount(web: FastAPI, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Serve the pages; before the page that takes every path."""
    pages = Pages(web, now)
    web.add_api_route("/act/{token}", pages.show, methods=["GET", "HEAD"], include_in_schema=False)
    web.add_api_route("/act/{token}", pages.do, methods=["POST"], include_in_schema=False)


class Pages:
    """The two answers of a link."""

    def __init__(self, web: FastAPI, now: Callable[[], datetime]) -> None:
        self._web = web
        self._now = now
        self._done: OrderedDict[Action, tuple[str, str]] = OrderedDict()  # a token has several spellings
        self._submitting = anyio.Lock()

    async def show(self, request: Request, token: str) -> Response:
        """What the link would do."""
        language = language_of(request)
        try:
            action = self._app.alerting.signer.verify(token, self._now())
            page = await self._offer(action, language)
        except SafelightError as error:
            return _refusal(error, language)
        return _answer(page, language, request)

    async def do(self, request: Request, token: str) -> Response:
        """Do it."""
        language = language_of(request)
        try:
            action = self._app.alerting.signer.verify(token, self._now())
            form = await _form(request)
            if action.do is Do.REPLAY:
                page = await self._replay(action, language)
            else:
                work = self._silence if action.do is Do.SILENCE else self._acknowledge
                page = await anyio.to_thread.run_sync(work, action, form, language)
        except SafelightError as error:
            return _refusal(error, language)
        return _answer(page, language, request)

    @property
    def _app(self) -> Any:
        return self._web.state.safelight

    async def _offer(self, action: Action, language: str) -> Page:
        if action.do is Do.REPLAY:
            return await self._offer_replay(action, language)
        alerts = await anyio.to_thread.run_sync(self._alerts, action, language)
        facts = tuple(_facts(alerts, language))
        if action.do is Do.SILENCE:
            buttons = tuple(
                Button(text(f"act.silence.{name}", language, at=f"{self._until(name):%H:%M}"), {"for": name})
                for name in (*_LENGTHS, "morning")
            )
            lead = text("act.silence.lead", language)
            return Page(text("act.silence.title", language), lead, facts, buttons, ask_name=True, alerts=alerts)
        if all(alert["status"] == "resolved" for alert in alerts):
            return Page(text("act.over.title", language), text("act.over.lead", language), facts, alerts=alerts)
        if all(alert.get("acknowledged") for alert in alerts):
            by = str(alerts[0]["acknowledged"].get("by") or "")
            lead = text("act.acknowledged.before", language, by=by)
            return Page(text("act.acknowledged.title", language), lead, facts, alerts=alerts)
        return Page(
            text("act.acknowledge.title", language),
            text("act.acknowledge.lead", language),
            facts,
            (Button(text("act.acknowledge.do", language)),),
            ask_name=True,
            alerts=alerts,
        )

    async def _offer_replay(self, action: Action, language: str) -> Page:
        if action in self._done:
            return self._replayed(action, language)
        found = await self._app.resubmitter.find(action.subject)
        facts = [(text("act.fact.run", language), action.subject)]
        if found.workflow_name:
            facts.append((text("act.fact.workflow", language), found.workflow_name))
        if found.instance:
            facts.append((text("act.fact.instance", language), found.instance))
        button = Button(text("act.replay.do", language))
        return Page(text("act.replay.title", language), text("act.replay.lead", language), tuple(facts), (button,))

    async def _replay(self, action: Action, language: str) -> Page:
        """Once for each link: a second tap says what came of the first."""
        async with self._submitting:
            if action in self._done:
                return self._replayed(action, language)
            again = await self._app.resubmitter.again(action.subject)
            self._done[action] = (again.run_id, again.to)
            while len(self._done) > DONE_MAX:
                self._done.popitem(last=False)
            return self._replayed(action, language)

    def _replayed(self, action: Action, language: str) -> Page:
        run, to = self._done[action]
        lead = text("act.replayed.lead", language, run=run, to=to)
        return Page(text("act.replayed.title", language), lead, good=True)

    def _acknowledge(self, action: Action, form: Mapping[str, str], language: str) -> Page:
        by = _by(form, language)
        alerts = self._alerts(action, language)
        open_ = [alert for alert in alerts if alert["status"] != "resolved"]
        if not open_:
            facts = tuple(_facts(alerts, language))
            return Page(text("act.over.title", language), text("act.over.lead", language), facts, alerts=alerts)
        for alert in open_:
            if not alert.get("acknowledged"):
                self._app.alerting.engine.acknowledge(alert["id"], by)
        lead = text("act.acknowledged.now", language)
        facts = tuple(_facts(open_, language))
        return Page(text("act.acknowledged.title", language), lead, facts, good=True, alerts=alerts)

    def _silence(self, action: Action, form: Mapping[str, str], language: str) -> Page:
        alerts = self._alerts(action, language)
        until = self._until(form.get("for", ""))
        comment = text("act.silence.comment", language)
        for match in matches(alerts):
            self._app.alerting.engine.silence(match, until.astimezone(UTC), _by(form, language), comment)
        lead = text("act.silenced.lead", language, until=f"{until:%Y-%m-%d %H:%M}")
        facts = tuple(_facts(alerts, language))
        return Page(text("act.silenced.title", language), lead, facts, good=True, alerts=alerts)

    def _alerts(self, action: Action, language: str) -> Alerts:
        found = [self._app.alerting.engine.alert(id_, language) for id_ in action.alerts]
        known = [alert for alert in found if alert is not None]
        if not known:
            raise LinkForgotten("act.forgotten")
        return known

    def _until(self, chosen: str) -> datetime:
        """In the zone of the quiet hours, else of this machine. Anything unknown is the shortest."""
        quiet = self._app.config.alerts.quiet_hours
        zone: tzinfo = (quiet.zone if quiet else None) or HostZone()
        now = self._now().astimezone(zone)
        if chosen == "morning":
            return morning(now, quiet.ends if quiet else MORNING)
        return now + _LENGTHS.get(chosen, _LENGTHS["1h"])


class LinkForgotten(LinkExpired):
    """The alerts are older than what is kept."""


def morning(now: datetime, ends: time) -> datetime:
    """The next time it is `ends` that is more than an hour away."""
    at = now.replace(hour=ends.hour, minute=ends.minute, second=0, microsecond=0)
    return at if at - now > timedelta(hours=1) else at + timedelta(days=1)


def matches(alerts: Alerts) -> Iterator[dict[str, str]]:
    """What to silence: of one rule what its alerts have in common, else each alert for itself."""
    if len({alert["rule"] for alert in alerts}) == 1:
        common = set.intersection(*(set(alert["labels"].items()) for alert in alerts))
        yield {"rule": alerts[0]["rule"], **dict(sorted(common))}
        return
    for alert in alerts:
        yield {"rule": alert["rule"], **alert["labels"]}


def _facts(alerts: Alerts, language: str) -> Iterator[tuple[str, str]]:
    if len(alerts) == 1:
        alert = alerts[0]
        yield text("act.fact.alert", language), alert["title"]
        yield text("act.fact.rule", language), alert["rule"]
        for name in ("service", "instance", "node"):
            if value := alert["labels"].get(name):
                yield text(f"act.fact.{name}", language), value
        yield text("act.fact.count", language), f"{alert['count']:,}"
    else:
        for alert in alerts:
            yield text("act.fact.alert", language), alert["title"]


def _by(form: Mapping[str, str], language: str) -> str:
    return " ".join(form.get("by", "").split())[:NAME_MAX] or text("act.by_link", language)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_MAX:
            break
    fields = parse_qs(body[:FORM_MAX].decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def _answer(page: Page, language: str, request: Request) -> Response:
    local = request.url.hostname in LOOPBACK  # from elsewhere the rest of the page is not to be had
    return HTMLResponse(render(page, language, local=local), headers=HEADERS)


def _refusal(error: SafelightError, language: str) -> Response:
    """In words, as everything on these pages."""
    said = error.render(language)
    if isinstance(error, LinkExpired):
        page, status = Page(text("act.expired.title", language), said), 410
    elif isinstance(error, LinkForged):
        page, status = Page(text("act.forged.title", language), said), 404
    else:
        away = isinstance(error, ServiceError) and not isinstance(error, PromptRejected)
        page, status = Page(text("act.failed.title", language), said), 502 if away else 409
    return HTMLResponse(render(page, language, local=False), status, headers=HEADERS)
