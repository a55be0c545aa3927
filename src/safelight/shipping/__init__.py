"""What feeds a sink: its queue, attempts and pauses, the breaker, the dead letters."""
