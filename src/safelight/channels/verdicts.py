"""Reading answers that are JSON: the object itself, and what its code means."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from ..errors import ChannelBroken, DeliveryError, Retryable
from . import ANSWER_MAX, accepted


def spoken(response: httpx.Response, provider: str, field: str | None = None) -> dict[str, Any]:
    """The JSON object of an answer, whatever its HTTP status: many providers say in it what is wrong.

    Raises what `accepted` raises when there is none or it lacks `field`, and Retryable when a 2xx comes so: somebody
    else answered.
    """
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and (field is None or field in answer):
        return answer
    status = accepted(response)
    raise Retryable("channels.not_an_answer", provider=provider, answer=status)


def words(*parts: object) -> str:
    """What a peer said, on one line and not too long."""
    said = ("" if part is None else str(part) for part in parts)  # whatever it is: peers are not to be trusted
    return " ".join(" ".join(said).split())[:ANSWER_MAX]


@dataclass(frozen=True)
class Codes:
    """What a provider's codes mean. `A` stands for `A.b` too, as in `AuthFailure.SignatureFailure`."""

    broken: Collection[int | str]
    """Wrong key, no such robot: the channel can send nothing until somebody acts."""
    for_good: Collection[int | str]
    """This message will never be taken; another may be."""
    waits_s: Mapping[int | str, float] = field(default_factory=dict)
    """Over a limit: how long it lasts."""

    def refusal(self, code: object, said: str) -> DeliveryError:
        """What `code` means; one that is not known may be another later."""
        known = {code, *_beginnings(str(code))} if isinstance(code, int | str) else set()
        for one in self.waits_s.keys() & known:
            return Retryable("channels.not_now", answer=said, after_s=self.waits_s[one])
        if known & set(self.for_good):
            return DeliveryError("channels.refused", answer=said)
        if known & set(self.broken):
            return ChannelBroken("channels.refused", answer=said)
        return Retryable("channels.not_now", answer=said)


def _beginnings(code: str) -> set[str]:
    parts = code.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}
