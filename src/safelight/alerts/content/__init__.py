"""What a message says: what happened, where, since when, how often, how much memory, what to do, and why it is told.

message     one message for one channel        headline  its first line, for every kind of condition
facts       the lines about one alert          advice    what to do, in the reader's language
around      log lines and memory before it     curve     the memory as what a picture shows
urls        where it leads                     summary   many messages in one
figures     numbers with their units           safe      text from a log, made fit to be shown
"""

from .headline import title
from .message import ALERTS_MAX, DETAILED_MAX, EVENTS_MAX, NAMED_MAX, TEXT_MAX, compose, describe
from .safe import LINE_MAX, TITLE_MAX, cut, shown
from .summary import summary
from .urls import links

__all__ = [
    "ALERTS_MAX",
    "DETAILED_MAX",
    "EVENTS_MAX",
    "LINE_MAX",
    "NAMED_MAX",
    "TEXT_MAX",
    "TITLE_MAX",
    "compose",
    "cut",
    "describe",
    "links",
    "shown",
    "summary",
    "title",
]
