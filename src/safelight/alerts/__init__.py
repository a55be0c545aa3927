"""Alerts: from committed events to notifications that wait in the outbox.

    rule (`when` read into a condition)
      -> judge (`watch`: one file a kind of condition)   what holds, what happened
      -> life  (`state`, `mutes`, `flaps`, `silences`)   alerts that open, go on and end; who must not be told
      -> group -> `content`                              one message of many, in the reader's words
      -> outbox                                          until the channel's peer has said yes
      -> repairs                                         what `app.remedying` is to try

`engine` does one step of all of it in one transaction. `past` and `backtest` drive the same parts over history.
"""
