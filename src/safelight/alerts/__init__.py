"""Alerts: from committed events to notifications that wait in the outbox.

    rule (when -> condition)  ->  evaluate  ->  alert, state  ->  group  ->  content  ->  outbox

`engine` does one step of it in one transaction; `channels` delivers what waits.
"""
