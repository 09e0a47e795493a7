"""The files of a recording: their format, writing them, reading them, and where they lie.

Knows nothing of pipes or of who writes. The helper process imports `format`, `writer` and
`files`, which therefore need the standard library and `system` alone.
May import `system`.
"""
