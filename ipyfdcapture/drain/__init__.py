"""The drain: what empties the pipes.

- `pump`: the loop that does it, and the format that it writes; stands alone
- `hosts`: where a pump runs, in a helper process or in a thread
- `client`: the side of the process that is captured: hands over pipes, asks, takes over
"""
