"""The running server without its web: sources, store, alerts, delivery, wired together and kept alive."""

from .app import App

__all__ = ["App"]
