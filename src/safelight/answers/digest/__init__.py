"""The daily digest: what was done, what failed and why, what was slow, and that all is well when it is.

questions   the SQL      facts   what a span of time adds up to      message   the same as a notification
"""

from .facts import Digest, digest
from .message import message

__all__ = ["Digest", "digest", "message"]
