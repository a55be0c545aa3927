"""What tells of people: home directories, private networks, addresses of mail, telephone numbers.

Each is hidden where somebody asks for it. Which numbers are telephone numbers cannot be known: taken are Chinese mobile
numbers (工信部 numbering plan, 13 to 19), and numbers with a country code (E.164) that begin with `+`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .secrets import HINT, hide_secrets

HOME_HINT: Final = r"/home/|/root|[\\/][uU][sS][eE][rR][sS]|Documents and Settings"
_HOME: Final = re.compile(
    r"(?<![\w.])(?:/home/[^/\s\"':]+|/Users/[^/\s\"':]+|/root\b)"
    r"|(?<!\w)[A-Za-z]:(?:\\{1,2}|/)(?:Users|Documents and Settings)(?:\\{1,2}|/)[^\\/\"':\n]+",
    re.IGNORECASE,
)

PRIVATE_HINT: Final = r"(?:10|172|192|169|100)\.[0-9]+\.|[fF][c-eC-E][0-9a-fA-F][0-9a-fA-F]:"
_PRIVATE: Final = re.compile(
    r"(?<![\w.])(?:10(?:\.\d{1,3}){3}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2}|192\.168(?:\.\d{1,3}){2}"
    r"|169\.254(?:\.\d{1,3}){2}|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])(?:\.\d{1,3}){2})(?![\w]|\.\d)"
    r"|(?<![\w:])(?:f[cd][0-9a-f]{2}|fe[89ab][0-9a-f])(?::[0-9a-f]{0,4}){2,7}(?![\w:])",
    re.IGNORECASE,
)


EMAIL_HINT: Final = r"@[0-9A-Za-z]"
_EMAIL: Final = re.compile(
    r"(?<![\w.+%\-])[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w\-])", re.ASCII
)

PHONE_HINT: Final = r"1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}|\+[0-9]"
_PHONE: Final = re.compile(
    r"(?<![\w.+\-])(?:\+?86[ \-]?)?1[3-9]\d[ \-]?\d{4}[ \-]?\d{4}(?![\w\-]|\.\d)"
    r"|(?<![\w.+\-])\+[1-9]\d{0,2}(?:[ \-.]?\(?\d{1,4}\)?){2,5}\d(?![\w\-]|\.\d)",
    re.ASCII,
)


def hide_homes(text: str) -> str:
    """Home directories as `~`: they carry people's names."""
    return _HOME.sub("~", text)


def hide_addresses(text: str) -> str:
    """Addresses of private networks (RFC 1918, 3927, 4193, 6598) as `[private address]`."""
    return _PRIVATE.sub("[private address]", text)


def hide_emails(text: str) -> str:
    """Addresses of mail as `[email]`."""
    return _EMAIL.sub("[email]", text)


def hide_phones(text: str) -> str:
    """Telephone numbers as `[phone]`."""
    return _PHONE.sub("[phone]", text)


_HIDERS: Final[dict[str, tuple[Callable[[str], str], str]]] = {
    "secrets": (hide_secrets, HINT),
    "paths": (hide_homes, HOME_HINT),
    "addresses": (hide_addresses, PRIVATE_HINT),
    "emails": (hide_emails, EMAIL_HINT),
    "phones": (hide_phones, PHONE_HINT),
}


def hider(**switches: bool) -> Callable[[str], str]:
    """What is switched on, as one function; secrets are unless they are switched off."""
    steps = [_HIDERS[name][0] for name in _on(switches)]

    def hide(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return hide


def hint(**switches: bool) -> str:
    """The expression for RE2 that finds at least every text that `hider` changes."""
    return "|".join(_HIDERS[name][1] for name in _on(switches))


def _on(switches: dict[str, bool]) -> list[str]:
    return [name for name in _HIDERS if switches.get(name, name == "secrets")]
