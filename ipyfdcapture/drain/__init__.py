"""What empties the pipes into recordings.

One loop, the pump, runs in a helper process (``__main__.py``, by its path) or in a thread.
May import `recording` and `system`.
"""
