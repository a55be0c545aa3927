"""Whom a message in a group calls."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ..alerts.notification import RESOLVED, Notification
from .fields import UserId


class Mentions(BaseModel):
    """Fields of channels that can mention people."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    at_users: tuple[UserId, ...] = ()
    """User ids of the members of the group to mention."""
    at_all: bool = False
    """Mentions everybody in the group."""
    at_severity: int = Field(default=3, ge=1, le=3)
    """Mentions from this severity on; what is over mentions nobody."""

    def calls(self, note: Notification) -> bool:
        """Whether this message is one to mention people in."""
        return note.status != RESOLVED and note.severity >= self.at_severity
