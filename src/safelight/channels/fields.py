"""Kinds of fields that several channels have, and how they say what is wrong."""

from __future__ import annotations

import re
from typing import Annotated

import httpx
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from ..errors import InputError


def mistaken(key: str, **values: object) -> PydanticCustomError:
    """A mistake in a field, in the words of the catalogue. It does not repeat the value: that may be a secret."""
    error = InputError(key, **values)
    return PydanticCustomError("channel", "{error}", {"error": error})


def _server(value: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.userinfo:
        raise mistaken("channels.fields.server")
    return value.rstrip("/")


def _like(pattern: str, key: str) -> AfterValidator:
    whole = re.compile(pattern)

    def check(value: str) -> str:
        if not whole.fullmatch(value):
            raise mistaken(key)
        return value

    return AfterValidator(check)


ServerUrl = Annotated[str, AfterValidator(_server)]
"""The address of a server, without a slash at its end."""

PhoneNumber = Annotated[str, _like(r"\+?[0-9]{5,15}", "channels.fields.phone")]
"""As in E.164: +, country, number."""

UserId = Annotated[str, _like(r"[\w.@+-]{1,64}", "channels.fields.user")]
"""Of somebody in a group."""

Digits = Annotated[str, _like(r"[0-9]{1,32}", "channels.fields.digits")]
"""A number as text, as providers count their things."""

AccountSid = Annotated[str, _like(r"AC[0-9A-Za-z]{1,64}", "channels.fields.account_sid")]
"""Of an account at Twilio."""
