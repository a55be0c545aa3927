"""What must not be written down, and what to write instead.

The forms of keys are from their issuers' documentation: Hugging Face, OpenAI and Anthropic, GitHub, GitLab, AWS,
Google, Slack, Telegram; the addresses of chat robots are those of the channels we deliver to and their neighbours.
An address keeps its host, an assignment its name, so that the reader still sees what stood there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

MASK: Final = "[REDACTED]"

_NAMES: Final = ("token", "key", "keyid", "key.id", "secret", "passwd", "password", "passphrase", "pwd", "credential")
_MORE_NAMES: Final = ("credentials", "cookie", "sign", "signature")
_WORDS: Final = ("bearer", "authorization", "private key-", "webhook", "/hook/", "hooks.slack", "ftqq", "day.app/")


def _any_case(words: tuple[str, ...]) -> str:
    """An expression that RE2 compiles three times faster than `(?i:...)`, which folds all of Unicode."""
    return "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in words)


HINT: Final = (
    r"hf_|sk-[-_A-Za-z0-9]{8}|gh[opusr]_|github_pat_|AKIA|ASIA|xox[a-z]-|xapp-|glpat-|AIza|eyJ|/bot[0-9]|://[^/ @]*@|"
    rf"[0-9]:[-_A-Za-z0-9]{{20}}|{_any_case(_WORDS)}|(?:{_any_case(_NAMES + _MORE_NAMES)})[\\\"']*\s*[:=]"
)
"""An expression for RE2, quick to compile, that finds at least every text that `hide_secrets` changes, and finds it
whatever stands around it: no anchors, no boundaries."""

_NAME: Final = (
    r"(?:access|auth|refresh|id|api|bot|user|session|ingest|bearer|secret)[_\-]?token|(?<![A-Za-z])token"
    r"|(?:api|access|secret|private|account|encryption)[_\-]?key(?:[_\-]?id)?|secret|passw(?:or)?d|passphrase|passwd"
    r"|credentials?|(?<![A-Za-z])(?:pwd|cookie|sign(?:ature)?)"
)
_SECRET_NAME: Final = re.compile(rf"(?:{_NAME}|authorization|webhook(?:_?url)?)$", re.IGNORECASE)


class _Secret(NamedTuple):
    """A form of secret. `words`, in small letters, are looked for first: that is 50 times faster than the pattern."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    stand_in: str = MASK


def _address(word: str, before: str, after: str = r"[^\s\"'<>]+") -> _Secret:
    """An address of which what follows `before` is secret."""
    return _Secret((word,), re.compile(rf"(://{before}){after}", re.IGNORECASE), rf"\1{MASK}")


_ASSIGNMENT: Final = (
    rf"({_NAME})(\\?[\"']?\s*[:=]\s*)"
    r"(?:(\\?[\"'])(?!\3)(?:(?!\3).)+?(?=\3)|[^\s\"'&,;<>()\[\]{}\\]+)"
)
_SECRETS: Final = (
    _Secret(
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.DOTALL
        ),
    ),
    _address("hooks.slack", r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/"),
    _address("discord", r"(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/"),
    _address("/hook/", r"open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/(?:v2/)?hook/"),
    _address("weixin", r"qyapi\.weixin\.qq\.com/cgi-bin/webhook/\w{1,20}\?[^\s\"'<>]{0,200}?key=", r"[^\s\"'<>&]+"),
    _address("webhookb2", r"[\w.\-]{0,100}webhook\.office\.com/webhookb2/"),
    _address("telegram", r"api\.telegram\.org/(?:file/)?bot", r"\d+:[\w\-]+"),
    _address("ftqq", r"(?:sctapi|sc)\.ftqq\.com/", r"[\w\-]+"),
    _address("day.app", r"api\.day\.app/", r"[\w\-]+"),
    _address("hook", r"[^\s\"'<>]{0,200}/(?:webhooks?|hook)/", r"[\w\-]{16,}[^\s\"'<>]*"),
    _Secret(("://",), re.compile(r"(?<=://)[^/\s@\"':]{0,200}:[^/\s\"'@]{0,500}@"), f"{MASK}@"),
    _Secret((":",), re.compile(r"\b\d{6,12}:[\w\-]{30,}(?![\w\-])", re.ASCII)),
    _Secret(
        ("authorization",),
        re.compile(
            r"\b(authorization\\?[\"']?\s*[:=]\s*\\?[\"']?)(?:(?:bearer|basic|token|digest)\s+)?[^\s\"',;\\]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    _Secret(("bearer",), re.compile(r"\b(bearer\s+)[\w.~+/=\-]{8,}", re.IGNORECASE | re.ASCII), rf"\1{MASK}"),
    _Secret(
        ("token", "key", "secret", "pass", "pwd", "credential", "cookie", "sign"),
        re.compile(_ASSIGNMENT, re.IGNORECASE),
        rf"\1\2\3{MASK}",
    ),
    _Secret(("hf_",), re.compile(r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{10,}")),
    _Secret(("sk-",), re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-]{10,}")),
    _Secret(("gh",), re.compile(r"(?<![A-Za-z0-9])(?:gh[opusr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,})")),
    _Secret(("akia", "asia"), re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{12,}")),
    _Secret(("xox", "xapp-"), re.compile(r"(?<![A-Za-z0-9])(?:xox[a-z]|xapp)-[A-Za-z0-9\-]{8,}")),
    _Secret(("glpat-",), re.compile(r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_\-]{12,}")),
    _Secret(("aiza",), re.compile(r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_\-]{30,}")),
    _Secret(("eyj",), re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]*")),
)

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


def hide_secrets(text: str) -> str:
    """The text without keys, tokens, passwords, webhook addresses and private keys."""
    small = text.lower()
    for secret in _SECRETS:
        if any(word in small for word in secret.words):
            text = secret.pattern.sub(secret.stand_in, text)
    return text


def hide_homes(text: str) -> str:
    """Home directories as `~`: they carry people's names."""
    return _HOME.sub("~", text)


def hide_addresses(text: str) -> str:
    """Addresses of private networks (RFC 1918, 3927, 4193, 6598) as `[private address]`."""
    return _PRIVATE.sub("[private address]", text)


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is a secret whatever it looks like."""
    return _SECRET_NAME.search(name) is not None


def hider(*, paths: bool, addresses: bool) -> Callable[[str], str]:
    """Everything that is to be hidden, as one function."""
    steps = [hide_secrets, *([hide_homes] if paths else []), *([hide_addresses] if addresses else [])]

    def hide(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return hide


def hint(*, paths: bool, addresses: bool) -> str:
    """The expression for RE2 that goes with `hider`."""
    return "|".join([HINT, *([HOME_HINT] if paths else []), *([PRIVATE_HINT] if addresses else [])])
