"""The files of a recording: their format, writing them, reading them, and where they lie.

Knows nothing of who writes. The helper process imports `format`, `writer`, `files` and `shown`,
which therefore need the standard library and `system` alone
(`tests/unit/test_helper_modules.py`).
May import `system`.
"""
