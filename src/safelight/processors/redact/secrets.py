"""What must not be written down, and what to write instead.

The forms of keys are from their issuers' documentation: Hugging Face, OpenAI and Anthropic, GitHub, GitLab, AWS,
Google, Slack, Telegram, Replicate, Alibaba Cloud, DingTalk, Sentry; the addresses of chat robots are those of the
channels we deliver to and their neighbours.
An address keeps its host, an assignment its name, so that the reader still sees what stood there.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ...services.sieve import Sieve

MASK: Final = "[REDACTED]"

_NAMES: Final = ("token", "key", "keyid", "key.id", "secret", "passwd", "password", "passphrase", "pwd", "credential")
_MORE_NAMES: Final = ("credentials", "cookie", "sign", "signature")
_LABELS: Final = "密码|口令|密钥|令牌"
_ESCAPED: Final = r"\\u(?:5[bB][cC]6|53[eE]3|4[eE][eE]4|[fF][fF]1[aAdD])"  # of these, and `：＝`, in JSON
_WORDS: Final = ("bearer", "authorization", "private key-", "webhook", "/hook/", "hooks.slack", "ftqq", "day.app/")


def _any_case(words: tuple[str, ...]) -> str:
    """An expression that RE2 compiles three times faster than `(?i:...)`, which folds all of Unicode."""
    return "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in words)


HINT: Final = (
    r"hf_|sk-[-_A-Za-z0-9]{8}|gh[opusr]_|github_pat_|AKIA|ASIA|xox[a-z]-|xapp-|glpat-|AIza|eyJ|/bot[0-9]|://[^/ @]*@|"
    r"SEC[0-9a-f]{4}|r8_[A-Za-z0-9]{4}|LTAI[A-Za-z0-9]|"
    rf"[0-9]:[-_A-Za-z0-9]{{20}}|{_any_case(_WORDS)}|--[A-Za-z]|{_ESCAPED}|"
    rf"(?:{_any_case(_NAMES + _MORE_NAMES)}|{_LABELS})[\\\"']*\s*[:=：＝]"
)
"""An expression for RE2, quick to compile, that finds at least every text that `hide_secrets` changes, and finds it
whatever stands around it: no anchors, no boundaries."""


def _begins(letter: str) -> str:
    r"""The first letter of a secret. Before it stands no letter or digit, but for the end of `\n` as JSON writes it,
    of a terminal's colour, of `%3D`. Searching for the letter, then looking back, is 10 times as fast as the reverse.
    """
    before = (r"(?<![A-Za-z0-9]", r"(?<=\\[nrt]", r"(?<=[\[0-9;]m", r"(?<=%[0-9A-Fa-f]{2}")
    return f"{letter}(?:{'|'.join(f'{one}{letter})' for one in before)})"


_NAME: Final = (
    r"(?:access|auth|refresh|id|api|bot|user|session|ingest|bearer|secret)[_\-]?token"
    r"|(?:(?<![A-Za-z])|(?<=\\[nrt]))token"
    r"|(?:api|access|secret|private|account|encryption)[_\-]?key(?:[_\-]?id)?|secret|passw(?:or)?d|passphrase|passwd"
    r"|credentials?|(?:(?<![A-Za-z])|(?<=\\[nrt]))(?:pwd|cookie|sign(?:ature)?)"
)
_SECRET_NAME: Final = re.compile(rf"(?:{_NAME}|{_LABELS}|authorization|webhook(?:_?url)?)$", re.IGNORECASE)

_FLAG: Final = (
    r"--(?:[a-z0-9]{1,20}[_\-]){0,4}(?:token|(?:api|access|secret|private|account|encryption)[_\-]?key(?:[_\-]?id)?"
    r"|secret|passw(?:or)?d|passphrase|passwd|pwd|credentials?)"
)
_SECRET_FLAG: Final = re.compile(rf"{_FLAG}\Z", re.IGNORECASE | re.ASCII)
# A sentence about a flag goes on with one of these.
_PROSE: Final = (
    r"(?:is|are|was|and|or|to|for|in|on|of|as|if|from|by|not|with|without|must|may|can(?:not)?|should|has|needs"
    r"|requires?|option|argument|flag|value|given|set|missing|instead)\b(?!-)"
)


class _Secret(NamedTuple):
    """A form of secret. `words`, in small letters, are looked for first: that is 50 times faster than the pattern."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    stand_in: str = MASK
    near: re.Pattern[str] | None = None
    """What is in every match, in small letters, at most `_REACH` characters behind its beginning: found 20 times
    faster, so that the pattern has to be tried from there only."""

    def hidden(self, text: str) -> str:
        """The text without it."""
        if self.near is None:
            return self.pattern.sub(self.stand_in, text)
        small = text.lower()
        found = self.near.search(small)
        if found is None:
            return text
        # Small letters may be more, of `İ`. What the pattern looks back at stands before `at` too.
        at = max(0, found.start() - _REACH) if len(small) == len(text) else 0
        return text[:at] + self.pattern.sub(self.stand_in, text[at:])


def _address(word: str, before: str, after: str = r"[^\s\"'<>]+") -> _Secret:
    """An address of which what follows `before` is secret."""
    return _Secret((word,), re.compile(rf"(://{before}){after}", re.IGNORECASE), rf"\1{MASK}")


# Letters with which names begin, for that is quickly seen.
_ASSIGNMENT: Final = (
    rf"((?=[abceiprstu][a-z])(?:{_NAME}))(\\?[\"']?\s*[:=：＝][\s\u3000]*)"
    r"(?:(\\?[\"'])(?!\3)(?:(?!\3).)+?(?=\3)|[^\s\u3000\"'&,;<>()\[\]{}\\，。；、]+)"
)
_NEAR_ASSIGNMENT: Final = re.compile(
    r"[tkspc](?:oken|ey|ecret|ass|wd|redential|ookie|ign)[a-z_\-]{0,6}\\?[\"']?\s*[:=：＝]", re.ASCII
)
_REACH: Final = 16  # `encryption_` before `key`, and what stands before that
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
    _Secret(("://",), re.compile(r"(?<=://)[^/\s@\"':]{0,200}:[^/\s\"']{0,500}@", re.ASCII), f"{MASK}@"),
    _Secret(("://",), re.compile(r"(?<=://)(?=[A-Za-z_\-]{0,60}[0-9])[A-Za-z0-9_\-]{20,200}(?=@)"), MASK),
    _Secret((":",), re.compile(r"\b\d{6,12}:[\w\-]{30,}(?![\w\-])", re.ASCII)),
    _Secret(
        ("authorization",),
        re.compile(
            rf"({_begins('a')}uthorization\\?[\"']?\s*[:=]\s*\\?[\"']?)(?:(?:bearer|basic|token|digest)\s+)?[^\s\"',;\\]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    _Secret(
        ("bearer",), re.compile(rf"({_begins('b')}earer\s+)[\w.~+/=\-]{{8,}}", re.IGNORECASE | re.ASCII), rf"\1{MASK}"
    ),
    _Secret(
        ("cookie",),
        re.compile(
            rf"({_begins('c')}ookie\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\s;,\"'\\\[]+(?:;\s?[^\s;,\"'\\]+)*",
            re.IGNORECASE | re.ASCII,
        ),
        rf"\1{MASK}",
    ),
    _Secret(
        ("--",),
        re.compile(
            rf"({_FLAG}(?:\\?[\"']\s*,\s*|\s+))"
            rf"(?:(\\?[\"'])(?!\2|-)(?:(?!\2).)+?(?=\2)|(?!-|{_PROSE})[^\s\"',;<>()\[\]{{}}\\]+)",
            re.IGNORECASE | re.ASCII,
        ),
        rf"\1\2{MASK}",
    ),
    _Secret(
        tuple(_LABELS.split("|")),
        re.compile(
            rf"((?:{_LABELS})\\?[\"']?\s*[:=：＝][\s\u3000]*\\?[\"']?)"
            r"(?=[!-~])[^\s\u3000\"'&,;<>()\[\]{}\\，。；、）]+",
            re.ASCII,
        ),
        rf"\1{MASK}",
    ),
    _Secret(
        ("token", "key", "secret", "pass", "pwd", "credential", "cookie", "sign"),
        re.compile(_ASSIGNMENT, re.IGNORECASE | re.ASCII),
        rf"\1\2\3{MASK}",
        _NEAR_ASSIGNMENT,
    ),
    _Secret(("hf_",), re.compile(_begins("h") + r"f_[A-Za-z0-9]{10,}")),
    _Secret(("sk-",), re.compile(_begins("s") + r"k-(?=[A-Za-z_\-]{0,40}[0-9])[A-Za-z0-9_\-]{10,}")),
    _Secret(("gh",), re.compile(_begins("g") + r"(?:h[opusr]_[A-Za-z0-9]{16,}|ithub_pat_[A-Za-z0-9_]{16,})")),
    _Secret(("akia", "asia"), re.compile(_begins("A") + r"(?:KIA|SIA)[0-9A-Z]{12,}")),
    _Secret(("xox", "xapp-"), re.compile(_begins("x") + r"(?:ox[a-z]|app)-[A-Za-z0-9\-]{8,}")),
    _Secret(("glpat-",), re.compile(_begins("g") + r"lpat-[A-Za-z0-9_\-]{12,}")),
    _Secret(("aiza",), re.compile(_begins("A") + r"Iza[A-Za-z0-9_\-]{30,}")),
    _Secret(("eyj",), re.compile(_begins("e") + r"yJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]*")),
    _Secret(("sec",), re.compile(_begins("S") + r"EC[0-9a-f]{64}(?![0-9a-f])")),
    _Secret(("r8_",), re.compile(_begins("r") + r"8_[A-Za-z0-9]{30,}")),
    _Secret(("ltai",), re.compile(_begins("L") + r"TAI[A-Za-z0-9]{12,30}(?![A-Za-z0-9])")),
)
_MAY_HAVE: Final = Sieve((secret.words, secret) for secret in _SECRETS)


def hide_secrets(text: str) -> str:
    """The text without keys, tokens, passwords, webhook addresses and private keys."""
    for secret in _MAY_HAVE.left(text.lower()):
        text = secret.hidden(text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is a secret whatever it looks like."""
    return _SECRET_NAME.search(name) is not None


def is_secret_flag(text: str) -> bool:
    """Whether the next word of a command line is a secret, as after `--password`."""
    return _SECRET_FLAG.match(text) is not None
