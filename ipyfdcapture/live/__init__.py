"""Showing a recording while it grows.

Follows the files, never the writer, and shows what is new on IOPub, in a terminal, to a function.
May import `output`, `log`, `recording` and `system`.
"""
