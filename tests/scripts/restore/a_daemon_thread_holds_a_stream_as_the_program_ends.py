"""Python stops a daemon thread that holds the lock of a stream, and flushes the stream after it."""

import atexit
import gc
import threading
import time

go, held = threading.Event(), threading.Event()


@atexit.register  # before the package is imported: called after its own
def end() -> None:
    go.set()
    held.wait(30)


from ipyfdcapture import capture_fd  # noqa: E402
from ipyfdcapture.output.capture_stream import CaptureStream  # noqa: E402


def capture() -> None:
    go.wait(30)
    with capture_fd():
        streams = [each for each in gc.get_objects() if isinstance(each, CaptureStream)]
        for stream in streams:
            stream.lock.acquire()
        held.set()
        time.sleep(1000)


with capture_fd() as logs:
    print("warm")
threading.Thread(target=capture, daemon=True).start()
