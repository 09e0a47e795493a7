"""The files of a recording: their format, writing them, reading them, and where they lie.

Knows nothing of pipes or of who writes. The helper process imports it too.
May import `system`.
"""
