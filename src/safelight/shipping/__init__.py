"""What feeds a sink: its queue, attempts and pauses, the breaker, the dead letters.

    async with Outlet(sink, data / "sinks" / sink.called, journal.note, language) as outlet:
        group.start_soon(outlet.run)                  # connects and sends, until cancelled
        await outlet.offer(batch, {"seq": "41"})      # durable when it returns; with `block` it waits for room
        outlet.checkpoint()                           # {"seq": "41"}: what was offered, after a restart too
        outlet.room                                   # False while `block` would make the next offer wait
        outlet.status()                               # as the page and `safelight doctor` show it
        await outlet.retry_dead_letters()             # how many events went back into the queue
        group.start_soon(outlet.heed)                 # does what the command line asks for by a file, until cancelled
        await outlet.flush(5)                         # send what waits, at most so many seconds; before cancelling

`outlet` holds it together and says what happens when the queue is full; `shipper` sends, at the pauses of `attempts`,
and finds out by a `question` whether a batch or a setting is at fault; `stock` is what lies on the disk: `payload` in
the queue, `letters` that were refused or given up; `tidings` are told to the journal; `requests` are what an agent is
asked. Opening raises StoreLocked when another process has the queue; offering raises StoreError when the disk refuses:
then nothing of the batch was acknowledged.
"""
