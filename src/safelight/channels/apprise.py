"""Any of the hundred-odd services that the Apprise library knows and Safelight does not, unverified.

The library looks at the HTTP status: services that say no in the body (DingTalk, WeCom and Feishu among them) count as
told when they are not. It connects by itself, so that the check of addresses, `allow_private`, `proxy` and the limit
on what is read do not hold.
"""

from __future__ import annotations

from datetime import datetime
from importlib.util import find_spec
from typing import Any, ClassVar, Final, Literal

from pydantic import SecretStr, model_validator

from ..alerts.notification import Notification
from . import Channel, Conversation, Foreign
from .fields import mistaken
from .look import links, mark, title
from .picture import picture

LIBRARY: Final = "apprise"


class Apprise(Channel):
    """Sends through the Apprise library; its yes is unverified. Needs the extra `safelight[apprise]`."""

    type: Literal["apprise"] = "apprise"
    url: SecretStr
    """The service as Apprise writes it, such as `ntfy://topic`, as env:NAME or file:PATH."""

    verified: ClassVar[bool] = False
    example: ClassVar[dict[str, Any]] = {"name": "other", "url": "ntfys://ntfy.sh/TOPIC"}

    @model_validator(mode="after")
    def _possible(self) -> Apprise:
        key = (
            "channels.apprise.missing"
            if find_spec(LIBRARY) is None
            else "channels.apprise.no_proxy"
            if self.proxy is not None
            else None
        )
        if key:
            raise mistaken(key)
        return self

    def conversation(self, note: Notification, now: datetime) -> Conversation:
        """Title, text and links as plain text, and the chart where the service takes pictures."""
        told = [note.text, *(f"{label}: {url}" for label, url in links(note))]
        said: str = yield Foreign(
            url=self.url.get_secret_value(),
            title=f"{mark(note)} {title(note)}",
            text="\n".join(told),
            picture=picture(note),
        )
        return said
