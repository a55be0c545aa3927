"""The installed pack, for every test of it."""

from support.pack import pack, told

__all__ = ["pack", "told"]
