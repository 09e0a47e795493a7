"""The log that a user holds: the lines of a recording, found, narrowed, counted and shown.

Reads on demand and knows nothing of pipes or of who writes.
May import `recording` and `system`.
"""
