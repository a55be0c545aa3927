"""A durable queue on disk, between collecting and sending. Knows bytes, not events."""
