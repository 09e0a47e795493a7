"""What empties the pipes into recordings.

One loop, the pump, runs in a helper process (``python -m``) or in a thread of this one.
May import `recording` and `system`.
"""
