"""What no `expect` of Playwright waits for: figures of the layout, and words that stay for two seconds.

A page answers a click or a key after it was pressed, and lays itself out once more when it knows its size: what is
read at once may be what was there before.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Error, Page

LISTEN = """() => {
    const toast = document.querySelector('.toast')
    window.said = []
    new MutationObserver(() => window.said.push(toast.textContent))
        .observe(toast, { childList: true, characterData: true, subtree: true })
}"""


def nothing(page: Page, wrong: str, arg: Any = None) -> None:
    """`wrong`, a function of the page, soon finds nothing: it returns a list of what is not as it should be."""
    try:
        page.wait_for_function(f"arg => !({wrong})(arg).length", arg=arg)
    except Error:
        assert page.evaluate(wrong, arg) == []
        raise


def listen(page: Page) -> None:
    """From now on, keep what the page says in a word that soon goes."""
    page.evaluate(LISTEN)


def heard(page: Page, words: str) -> None:
    """Return when it has been said since `listen`."""
    page.wait_for_function("words => window.said.some(text => text.includes(words))", arg=words)
