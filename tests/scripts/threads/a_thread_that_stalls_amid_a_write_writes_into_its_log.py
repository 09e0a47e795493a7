"""A thread stalls amid a write until nobody waits for the threads of its capture any more."""

import sys
import threading

from helpers.moments import at_moment

from ipyfdcapture import capture_fd
from ipyfdcapture.output import streams
from ipyfdcapture.output.write_order import WriteOrder

end, is_closed = sys.argv[1].replace("newline", "\n"), len(sys.argv) > 2
streams._MOST_WAITED_FOR = 2  # descriptors are few on some systems
stalled, go_on, stop = (threading.Event() for _ in range(3))


def stall() -> None:
    stalled.set()
    assert go_on.wait(60)


at_moment(WriteOrder, "take", stall)  # the stream is chosen, and nothing is written yet
with capture_fd() as logs:
    thread = threading.Thread(target=print, args=("amid",), kwargs={"end": end})
    thread.start()
    assert stalled.wait(60)
others = []
for _ in range(streams._MOST_WAITED_FOR + 1):
    with capture_fd() as other:
        threading.Thread(target=stop.wait, daemon=True).start()
    others.append(other)
if is_closed:
    logs.close()
with capture_fd() as running:
    go_on.set()
    thread.join()
assert not any(other.text for other in others)
assert is_closed or logs.text == "amid" + end, logs.text
assert running.text == ("amid" + end if is_closed else ""), running.text
stop.set()
print("end")
