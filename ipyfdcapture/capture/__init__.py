"""A capture, from its start to its stop, and the public functions that make one.

Ties redirections, streams, drain, recording and live views together.
May import `live`, `output`, `log`, `drain`, `recording` and `system`.
"""
