"""Whether everybody can read a page: the rules of accessibility, by axe-core, and what does not fit the screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from web.awaiting import nothing
from web.serving import ROOT

AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
JUDGE = """async () => {
    const fading = () => document.getAnimations().some(each => each instanceof CSSTransition)
    const resting = () => !document.querySelector('[aria-busy=true]') && !fading()
    for (let tries = 1; ; tries++) {
        while (!resting()) await new Promise(requestAnimationFrame)
        let moved = false
        const watch = new MutationObserver(() => { moved = true })
        watch.observe(document, { subtree: true, attributeFilter: ['aria-busy', 'class'] })
        const { violations } = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] })
        watch.disconnect()
        if ((moved || !resting()) && tries < 5) continue
        return violations.map(each => [each.id, each.nodes.map(node => node.html)])
    }
}"""
"""Of a page at rest: a list that is being asked for again is pale, and too pale to read on its way there. A page that
never rests is judged as it is."""
WIDE = """selectors => selectors.filter(selector =>
    [...document.querySelectorAll(selector)].some(each => each.scrollWidth > each.clientWidth))"""


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """The rules that are broken, each with the elements that break it."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `npm ci` in ui/")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return [(rule, nodes) for rule, nodes in page.evaluate(JUDGE)]


def fits(page: Page, *selectors: str) -> None:
    """No element of these selectors must be scrolled sideways."""
    nothing(page, WIDE, list(selectors))
