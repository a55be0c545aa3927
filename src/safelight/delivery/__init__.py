"""Delivery: from the outbox to the peers. Owns sockets, time-outs and clocks; what to say, and what an answer means, is
the channel's business.
"""
