"""The small page behind a link of a message: no script, readable on a phone at night, in the colours of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final
from urllib.parse import quote

from ..locales import text

FACT_MAX: Final = 300
_STYLE: Final = """
:root{color-scheme:light dark;--bg:#f6f2ec;--card:#fffdfa;--line:#ddd3c7;--text:#2a221b;--soft:#6d6257;
--accent:#9a5b00;--on:#fff;--ok:#1c7c43}
@media(prefers-color-scheme:dark){:root{--bg:#14110f;--card:#1c1815;--line:#3b332c;--text:#f4ede4;--soft:#bdb1a5;
--accent:#ffb041;--on:#1d1206;--ok:#63cb8e}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 ui-sans-serif,system-ui,-apple-system,"Segoe UI",
Roboto,"PingFang SC","Microsoft YaHei UI","Noto Sans CJK SC",sans-serif}
main{max-width:30rem;margin:0 auto;padding:1.25rem 1rem 2rem}
.brand{display:flex;gap:.5rem;align-items:center;color:var(--soft);font-size:.875rem;margin:0 0 1rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.25rem}
h1{font-size:1.375rem;line-height:1.3;margin:0 0 .5rem}
h1.good{color:var(--ok)}
p{margin:0 0 1rem;color:var(--soft);overflow-wrap:anywhere}
dl{margin:0 0 1.25rem;border-top:1px solid var(--line)}
dl div{display:flex;gap:.75rem;align-items:baseline;padding:.45rem 0;border-bottom:1px solid var(--line)}
dt{flex:0 0 5.5rem;font-size:.875rem;color:var(--soft)}
dd{margin:0;min-width:0;overflow-wrap:anywhere}
label{display:block;font-size:.875rem;color:var(--soft);margin:0 0 1rem}
input{display:block;width:100%;margin-top:.25rem;padding:.65rem .75rem;font:inherit;color:var(--text);
background:var(--bg);border:1px solid var(--soft);border-radius:8px}
button{display:block;width:100%;min-height:3rem;margin:0 0 .65rem;padding:.6rem;font:inherit;font-weight:600;
color:var(--on);background:var(--accent);border:1px solid var(--accent);border-radius:8px;cursor:pointer}
button.next{color:var(--accent);background:transparent}
button:last-child{margin-bottom:0}
p.more{margin:1.25rem 0 0}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
"""


@dataclass(frozen=True, slots=True)
class Button:
    """What can be chosen. `fields` are sent with it."""

    label: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on it, in the reader's language. Nothing in it is markup."""

    title: str
    lead: str
    facts: Sequence[tuple[str, str]] = ()
    buttons: Sequence[Button] = ()
    ask_name: bool = False
    good: bool = False
    """It was done."""
    alerts: Sequence[Mapping[str, Any]] = ()


def render(page: Page, language: str, *, local: bool) -> str:
    """As HTML. `local`: the reader is on this machine, where links lead somewhere."""
    return "".join(_parts(page, language, local=local))


def _parts(page: Page, language: str, *, local: bool) -> Iterator[str]:
    yield f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
    yield f"<title>{escape(page.title)} · Safelight</title><style>{_STYLE}</style></head><body><main>"
    yield '<p class="brand">Safelight</p><div class="card">'
    kind = ' class="good"' if page.good else ""
    yield f"<h1{kind}>{escape(page.title)}</h1><p>{escape(page.lead)}</p>"
    if page.facts:
        yield "<dl>"
        for name, value in page.facts:
            yield f"<div><dt>{escape(name)}</dt><dd>{escape(value[:FACT_MAX])}</dd></div>"
        yield "</dl>"
    if page.buttons:
        yield '<form method="post">'
        if page.ask_name:
            yield f"<label>{escape(text('act.name', language))}"
            yield '<input name="by" maxlength="60" autocomplete="nickname"></label>'
        for number, button in enumerate(page.buttons):
            yield _button(button, first=number == 0)
        yield "</form>"
    if local and len(page.alerts) == 1:
        address = f"/alerts/{quote(str(page.alerts[0]['id']), safe='')}"
        yield f'<p class="more"><a href="{address}">{escape(text("act.see", language))}</a></p>'
    yield "</div></main></body></html>"


def _button(button: Button, *, first: bool) -> str:
    sent = "".join(f' name="{escape(name)}" value="{escape(value)}"' for name, value in button.fields.items())
    kind = "" if first else ' class="next"'
    return f"<button{kind}{sent}>{escape(button.label)}</button>"
