"""Prompts and workflows as documents: one canonical text, without secrets, in parts that fit into events.

Standard library only: ComfyUI's process and the server both read this module.

    MOST_TEXT   8,000,000 characters a document; a larger one is left out (`TooLarge`, raised while still walking)
    PART        24,000 characters of it in one event, below the 32,768 that an event's text may have
"""

from __future__ import annotations

import json
import re
from hashlib import sha256 as _sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, TypeAlias

    _Path: TypeAlias = "tuple[_Path, str | int] | None"

MOST_TEXT = 8_000_000
PART = 24_000
MASK = "[REDACTED]"
_DEEPEST = 200  # levels; the JSON encoder of Python 3.11 gives up at some 1,000
_NUMBERS = frozenset({int, float, bool, type(None)})
_LEAST_KNOWN = 8  # characters: a shorter secret, masked wherever it stands, would mask words

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|passphrase|passcode|secret|credential)s?(?:_|$)"
    r"|(?:^|_)(?:api|access|private|secret|signing|encryption|account)_?keys?(?:_|$)"
    r"|(?:^|_)(?:auth|access|refresh|bearer|session|api|bot|hf|civitai)_?token(?:_|$)"
    r"|(?:^|_)(?:token|auth|authorization|cookie|bearer|jwt|webhook|webhook_url|signature)$"
    r"|密码|口令|密钥|令牌"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_FLAG = re.compile(
    r"--(?:[a-z0-9]+[_-])*(?:token|key|secret|password|passwd|passphrase|pwd|credentials?)\Z", re.IGNORECASE
)

# The forms of keys are their issuers': Hugging Face, OpenAI and Anthropic, GitHub, GitLab, AWS, Google, Slack,
# Replicate, Alibaba Cloud, JSON web tokens, DingTalk; and a name and password, or a parameter, inside an address.
_PARAMETERS = ("token", "access_token", "key", "api_key", "apikey", "secret", "password", "signature", "sig")
_SECRET_TEXT = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hf_[A-Za-z0-9]{10,}"
    r"|sk-(?=[A-Za-z_\-]{0,40}[0-9])[A-Za-z0-9_\-]{10,}"
    r"|gh[opusr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_\-]{12,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{12,}|AIza[A-Za-z0-9_\-]{30,}|LTAI[A-Za-z0-9]{12,30}"
    r"|(?:xox[a-z]|xapp)-[A-Za-z0-9\-]{8,}|r8_[A-Za-z0-9]{30,}"
    r"|comfyui-[0-9a-f]{32,}|SEC[0-9a-f]{64}"
    r"|eyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]*"
    r")"
    r"|(?<=://)[^/\s@\"':]{0,200}:[^/\s\"'@]{1,500}(?=@)"
    r"|(?i:(?<=bearer )[\w.~+/=\-]{8,})"
    rf"|(?i:{'|'.join(f'(?<=[?&]{name}=)' for name in _PARAMETERS)})[^\s&#\"'\[]+"
)
_HINT = re.compile(
    r"hf_|sk-|gh[opusr]_|github_pat_|glpat-|AKIA|ASIA|AIza|LTAI|xox|xapp-|r8_|comfyui-|SEC|eyJ|://|earer "
)


class TooLarge(ValueError):
    """The value has more text than a document may have."""


def canonical(value: Any) -> str:
    """`value` as the text that is hashed and kept: JSON without spaces, keys in the given order. Always UTF-8.

    Raises:
        TypeError, ValueError: `value` is no JSON data.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii():
        # UTF-8 cannot say a lone surrogate; as `\ud800` it is JSON's own escape of the same text.
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


def sha256(text: str) -> str:
    """What names a document: 64 hex digits."""
    return _sha256(text.encode()).hexdigest()


def parts(kind: str, text: str) -> Iterator[dict[str, Any]]:
    """The fields of the `run_document` events that carry `text`, in order.

    `kind` is "prompt", "workflow" or "extra". Parts end after a `}` where there is one, so that what looks for secrets
    in single events sees whole values.
    """
    ends, start = [], 0
    while start < len(text):
        end = start + PART
        if end < len(text):
            end = text.rfind("}", start, end) + 1 or end
        ends.append(end)
        start = end
    name, start = sha256(text), 0
    for part, end in enumerate(ends):
        yield {"sha256": name, "kind": kind, "part": part, "parts": len(ends), "text": text[start:end]}
        start = end


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is a secret whatever it looks like: `api_key`, `auth_token_comfy_org`.

    `tokens` and `max_tokens` are counts.
    """
    return _SECRET_NAME.search(_HUMP.sub("_", name).lower().replace("-", "_").replace(" ", "_")) is not None


def hide(text: str) -> str:
    """`text` with what looks like a key replaced by `[REDACTED]`."""
    return _SECRET_TEXT.sub(MASK, text) if _HINT.search(text) else text


def scrub(value: Any, known: set[str] | None = None) -> tuple[Any, list[str]]:
    """A copy of `value` without its secrets, and where they stood, such as "12.inputs.api_key".

    Links between nodes, flags and nothing are never secrets. `known`: secrets that are hidden wherever they stand;
    those found by their name are added, so that a key in a prompt's input is also found among a workflow's widgets.

    Raises:
        TooLarge: it has more than MOST_TEXT characters, give or take its punctuation, or is too deep.
    """
    walk = _Walk(known if known is not None else set())
    return walk.value(value, None, 0), walk.found


def scrub_argv(words: list[str]) -> list[str]:
    """A command line without its secrets: what follows `--some-token`, `--api-key=...`, and what looks like a key."""
    shown, hidden = [], False
    for word in map(str, words):
        flag, equals, _ = word.partition("=")
        if hidden and not word.startswith("--"):
            shown.append(MASK)
        elif equals and _SECRET_FLAG.match(flag):
            shown.append(f"{flag}={MASK}")
        else:
            shown.append(hide(word))
        hidden = _SECRET_FLAG.match(word) is not None
    return shown


def clean_prompt(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt as it was submitted: without the `is_changed` that ComfyUI writes into its nodes."""
    return {
        node_id: {name: value for name, value in node.items() if name != "is_changed"}
        if isinstance(node, dict) and "is_changed" in node
        else node
        for node_id, node in prompt.items()
    }


class _Walk:
    """One pass over a value. A path is a pair of the path above and a name: joined only where something is found."""

    def __init__(self, known: set[str]) -> None:
        self.known = known
        self.found: list[str] = []
        self._names: dict[str, bool] = {}  # a graph repeats the same few hundred names
        self._left = MOST_TEXT

    def value(self, value: Any, path: _Path, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            self._spend(len(value) + 3)
            return self._text(value, path) if self.known or len(value) >= _LEAST_KNOWN else value
        if kind in _NUMBERS:
            return value
        if depth > _DEEPEST:
            raise TooLarge
        if kind is dict:
            return self._dict(value, path, depth)
        if kind is list or kind is tuple:
            self._spend(2 * len(value))  # at once: a list of millions is not looked at
            return [self.value(item, (path, index), depth + 1) for index, item in enumerate(value)]
        return value

    def _dict(self, value: dict[Any, Any], path: _Path, depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        names = self._names
        for key, item in value.items():
            name = key if type(key) is str else str(key)
            self._left -= len(name) + 4
            secret = names.get(name)
            if secret is None:
                secret = names[name] = is_secret_name(name)
            kind = type(item)
            if secret and not (item is None or kind is bool or item == "" or _is_link(item)):
                copy[name] = self._secret(item, (path, name))
            elif kind in _NUMBERS or (kind is list and len(item) == 2 and _is_short_link(item)):
                copy[name] = item  # most of a prompt, without a call for each
            else:
                copy[name] = self.value(item, (path, name), depth + 1)
        self._spend(2 * len(value))
        return copy

    def _secret(self, value: Any, path: _Path) -> str:
        if type(value) is str and len(value) >= _LEAST_KNOWN:
            self.known.add(value)
        self.found.append(_joined(path))
        return MASK

    def _text(self, text: str, path: _Path) -> str:
        shown = hide(text)
        for secret in self.known:
            if secret in shown:
                shown = shown.replace(secret, MASK)
        if shown is not text and shown != text:
            self.found.append(_joined(path))
        return shown

    def _spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise TooLarge


def _joined(path: _Path) -> str:
    names = []
    while path is not None:
        path, name = path
        names.append(str(name))
    return ".".join(reversed(names))


def _is_short_link(value: list[Any]) -> bool:
    """A link whose node id is too short for a secret."""
    return type(value[1]) is int and type(value[0]) is str and len(value[0]) < _LEAST_KNOWN


def _is_link(value: Any) -> bool:
    return type(value) is list and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int
