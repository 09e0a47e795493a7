"""A limited log is read by several threads at once."""

import os
import threading

from ipyfdcapture import capture_fd

found = set()
for _ in range(20):
    with capture_fd(max_bytes=400_000) as logs:
        for i in range(10):
            os.write(1, b"%07d\n" % i * 10_000)
    together = threading.Barrier(3)

    def read(together=together):
        together.wait()
        try:
            found.add((len(logs.raw), logs.dropped, logs.nbytes))
        except BaseException as error:
            found.add(repr(error))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(*found)
