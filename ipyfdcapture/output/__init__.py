"""What a capture swaps for its time: descriptors, streams, the buffers of native runtimes.

Knows nothing of recordings, and puts back whatever it replaced.
May import `system`.
"""
