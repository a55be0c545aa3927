"""Protocols that Safelight speaks both ways: what is on the wire, and what it means as events. No sockets here."""
