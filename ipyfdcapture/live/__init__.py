"""Live: following a recording as it grows, and showing it somewhere.

- `following`: reads what is new in a recording
- `follower`: the thread that does so for one target
- `text`: from bytes in pieces to text that may be shown
- `views`: what people are shown, and how often
- `iopub`, `terminal`: where people look
- `callback`: functions, streams, loggers and files
- `targets`: from what a user gives to one of these
- `beside`: the order with what is displayed meanwhile
"""
