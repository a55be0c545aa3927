"""ComfyUI seen from outside: what its HTTP API answers, looked at again and again, as events.

`snapshot` reads answers of any version, `watcher` compares them and says what happened (pure: no clock, no socket),
`telling` writes the events of one run, `state` is what must survive a restart, `looking` asks just enough to know,
`wakeups` listens to ComfyUI's own socket, `console` reads the lines that come through it, `pace` says when to look
again.
"""
