"""Text messages through Twilio.

Facts from https://www.twilio.com/docs/messaging/api/message-resource (a form, HTTP basic authentication, 201; one
number a message; 1,600 characters at most), https://www.twilio.com/docs/usage/twilios-response (errors as JSON with a
`code`) and https://www.twilio.com/docs/api/errors (20003, 20429, 211xx, 216xx).
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import Field, SecretStr

from ..alerts.notification import Notification
from ..errors import ChannelBroken, Retryable
from ..wire.http import retry_after
from . import Channel, accepted
from .fields import AccountSid, PhoneNumber, ServerUrl
from .sms import ONE_MESSAGE, short
from .verdicts import Codes, spoken, words

CODES: Final = Codes(
    waits_s={
        21611: 600.0,  # ten hours' worth of messages wait at Twilio
        63038: 3600.0,  # the account's messages of the day are used up
    },
    broken={
        20003,  # authentication
        20005,  # the account is not active
        20404,  # no such account
        21211,  # `To` is no phone number
        21212,  # `From` is none
        21408,  # no permission for that country
        21603,  # `From` missing
        21606,  # `From` cannot send
        21608,  # a trial account, and `To` was not verified
        21610,  # the recipient replied STOP
        21612,  # no route from `From` to `To`
        21614,  # `To` is no mobile
        21659,  # `From` is not yours
        21703,  # the messaging service has no number
        30002,  # the account is suspended
    },
    for_good={
        21602,  # no text
        21617,  # text too long
    },
)
"""What is in none of them is judged by its HTTP status."""


class Twilio(Channel):
    """Sends one text message to `to`. For another number, make another channel: each has its own answer."""

    type: Literal["sms_twilio"] = "sms_twilio"
    account: AccountSid
    """Account SID, AC..."""
    token: SecretStr
    """Auth token of the account, as env:NAME or file:PATH."""
    sender: str = Field(min_length=1, max_length=40)
    """A number or name of yours to send from, or a messaging service (MG...)."""
    to: PhoneNumber
    """Phone number with its country, +49..."""
    length: int = Field(default=ONE_MESSAGE, ge=20, le=1600)
    """Characters; more than 70 are sent, and paid for, as several messages."""
    severity: int = Field(default=3, ge=1, le=3)
    """Takes notifications of this severity and above; each message costs money."""
    digest: bool = False
    """Takes the daily digest, if there is one."""
    server: ServerUrl = "https://api.twilio.com"
    """The endpoint, where it is another region's."""

    per_minute: ClassVar[int | None] = 10
    known_hosts: ClassVar[frozenset[str]] = frozenset({"api.twilio.com"})
    example: ClassVar[dict[str, Any]] = {
        "name": "duty",
        "account": "AC00000000000000000000000000000000",
        "token": "TOKEN",
        "sender": "+15550001111",
        "to": "+491700000000",
    }

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """The title, as a form."""
        who = "MessagingServiceSid" if self.sender.startswith("MG") else "From"
        values = {"To": self.to, who: self.sender, "Body": short(note, self.length)}
        basic = base64.b64encode(f"{self.account}:{self.token.get_secret_value()}".encode()).decode()
        url = f"{self.server}/2010-04-01/Accounts/{self.account}/Messages.json"
        return httpx.Request("POST", url, data=values, headers={"Authorization": f"Basic {basic}"})

    def verdict(self, response: httpx.Response) -> str:
        """By Twilio's code, then by the HTTP status."""
        answer = spoken(response, "Twilio")
        if response.is_success:
            if not answer.get("sid"):
                raise Retryable("channels.not_an_answer", provider="Twilio", answer=accepted(response))
            return words(response.status_code, answer.get("status"), answer.get("sid"))
        code, said = answer.get("code"), words(response.status_code, answer.get("code"), answer.get("message"))
        if response.status_code == 429:
            raise Retryable("channels.not_now", answer=said, after_s=retry_after(response.headers))
        if isinstance(code, int) and (code in CODES.broken or code in CODES.for_good or code in CODES.waits_s):
            raise CODES.refusal(code, said)
        if response.status_code in {401, 403, 404}:
            raise ChannelBroken("channels.refused", answer=said)
        return accepted(response)
