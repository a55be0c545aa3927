"""A collector on another machine: sources, steps and sinks, without a store, a page or alerts.

What is read lies on disk, in the queue of every sink, before its position advances; so a crash of the agent, of the
server or of the network between them loses no line, and the number of a batch in its queue makes it count once.
"""
