"""In a plain process too."""

import io
import os
import sys
import threading

from ipyfdcapture import capture_fd

exec(sys.argv[2])


exec(sys.argv[3])
with capture_fd(drain=sys.argv[1]) as logs:
    exec(sys.argv[3])
exec(sys.argv[3])
with capture_fd(drain=sys.argv[1]) as after:
    pass
came = threading.Event()


class Target(io.StringIO):
    def write(self, text):
        super().write(text)
        value = self.getvalue()
        if sys.argv[4] in value and sys.argv[5] in value:
            came.set()
        return len(text)


with capture_fd(drain=sys.argv[1], live=Target()) as live:
    exec(sys.argv[3])
    in_time = came.wait(60)

os.write(1, repr([(log.stdout, log.stderr) for log in (logs, after, live)] + [in_time]).encode())
