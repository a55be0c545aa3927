"""The forward protocol, version 1, as Fluentd and Fluent Bit speak it.

https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1

`frames` cuts a stream of MessagePack into messages, `messages` reads and writes one, `entries` takes the events out of
it, `records` makes lines of them, `handshake` is HELO, PING and PONG of either side, `time` is EventTime.

MessagePack is decoded by `msgpack`: it goes on where a stream broke off, skips what is whole without building it, and
keeps text that is not UTF-8. `msgspec` can do none of the three, and with an extension type in every entry it takes
1.9 to 2.7 us for what takes `msgpack` 1.4 to 1.6. For writing, where nothing of that is needed, `msgspec` is used.
"""
