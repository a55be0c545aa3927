"""What can go wrong, as a tree.

* SafelightError        says what, where and what to do, in the reader's language
  + ConfigError         the operator wrote it, the operator can fix it; carries every mistake of the file
  + QueryError          the reader typed it; carries the position
    x QueryTooCostly    it is a good question, but over a limit (time, size, memory)
  + StoreError          the data directory refuses
    x StoreLocked       another running server owns it
    x StoreFull         the disk has no room; nothing was acknowledged
    x StoreCorrupt      a segment cannot be read; it is set aside, the rest goes on
  + InputError          a file or a request body that cannot be taken
    x NoSuchEvent       an id that nothing has
  + ServerError         the running server could not be reached, or said no
  + ServiceError        a service that is watched could not be reached, said no, or answered nonsense
    x PromptRejected    ComfyUI does not take this prompt; carries what it said of each node
  + DeliveryError       a channel's peer said no to a message, for good
    x Retryable         ... and may say yes later
    x ChannelBroken     ... and will say no to every other message too: wrong key, no such robot
  + SinkError           where events are sent to does not take a batch now, and may take it later
    x SinkRefused       ... and never will
    x SinkMisconfigured ... nor any other, until somebody changes a setting here or there
  + RemedyError         a repair could not be done, or did not help
"""

from __future__ import annotations

from typing import Any

from .locales import ENGLISH, text


class SafelightError(Exception):
    """Raised with a key of the catalogue and the values of its placeholders; reads as one clear sentence."""

    def __init__(self, key: str, /, **values: object) -> None:
        super().__init__(key, values)
        self.key = key
        self.values = values

    def render(self, language: str = ENGLISH) -> str:
        """The sentence in `language`."""
        return text(self.key, language, **self.values)

    def __str__(self) -> str:
        return self.render()


class ConfigError(SafelightError):
    """One or more mistakes in the configuration, all of them reported at once."""


class QueryError(SafelightError):
    """A query that cannot be understood. `position` counts characters from 0 into `query`."""

    def __init__(self, key: str, /, *, query: str = "", position: int = 0, **values: object) -> None:
        super().__init__(key, **values)
        self.query = query
        self.position = position

    def caret(self) -> str:
        """The line of the query with the mistake, and a caret under it."""
        start = self.query.rfind("\n", 0, self.position) + 1
        line = self.query[start:].split("\n", 1)[0]
        return f"{line}\n{' ' * (self.position - start)}^"


class QueryTooCostly(QueryError):
    """Understood, but over a limit."""


class StoreError(SafelightError):
    """The data directory cannot be used as asked."""


class StoreLocked(StoreError):
    """Another running process owns the data directory."""


class StoreFull(StoreError):
    """No room on the disk. Nothing of the refused batch was acknowledged."""


class StoreCorrupt(StoreError):
    """A file of the store is damaged."""


class InputError(SafelightError):
    """A file or a request body that cannot be taken."""


class NoSuchEvent(InputError):
    """Nothing has this id; retention may have removed it."""


class ServerError(SafelightError):
    """The running server is out of reach, or refused."""


class ServiceError(SafelightError):
    """A service that is watched is out of reach, refused, or answered what cannot be understood."""


class PromptRejected(ServiceError):
    """ComfyUI does not take this prompt. `node_errors` is what it said of each node, by node id."""

    def __init__(self, key: str, /, *, node_errors: dict[str, Any], **values: object) -> None:
        super().__init__(key, **values)
        self.node_errors = node_errors


class DeliveryError(SafelightError):
    """A channel's peer refused for good: retrying the same message cannot help."""


class Retryable(DeliveryError):
    """Refused for now. `after_s`: how long the peer asked us to wait, if it said."""

    def __init__(self, key: str, /, *, after_s: float | None = None, **values: object) -> None:
        super().__init__(key, **values)
        self.after_s = after_s


class ChannelBroken(DeliveryError):
    """Refused, and so would be every other message, until somebody changes the configuration or the peer."""


class SinkError(SafelightError):
    """A batch was not taken; the same batch may be later. `after_s`: how long the peer asked us to wait, if it said."""

    def __init__(self, key: str, /, *, after_s: float | None = None, **values: object) -> None:
        super().__init__(key, **values)
        self.after_s = after_s


class SinkRefused(SinkError):
    """No event of the batch will ever be taken: it belongs to the dead letters, if others are taken."""


class SinkMisconfigured(SinkError):
    """Nothing will be taken until somebody changes the configuration or the other side: a wrong address, no rights, no
    such table. No attempts are counted, and the events wait."""


class RemedyError(SafelightError):
    """A repair could not be done, or the service was not healthy afterwards."""
