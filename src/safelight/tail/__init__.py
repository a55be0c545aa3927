"""Following files: which file is which, what is new in it, and how far it may be forgotten.

`Tailer` puts the parts together; it is plain, synchronous code, so that a source can run it in a thread and a test
can step it. Nothing here knows what a line means: that is the grammar of `services`.
"""
