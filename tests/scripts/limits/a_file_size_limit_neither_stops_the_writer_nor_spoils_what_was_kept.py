"""A file size limit neither stops the writer nor spoils what was kept."""

import os
import sys
import warnings

from helpers.sandbox import limit_file_size

from ipyfdcapture import capture_fd

limit_file_size(1_000_000)

data = bytes(range(256)) * 100
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    with capture_fd(drain=sys.argv[1]) as logs:
        for _ in range(200):
            assert os.write(1, data) == len(data)
total = len(data) * 200
kept = logs.raw
assert kept == (data * 200)[: len(kept)], "what was kept is spoiled"
assert 500_000 < len(kept) <= 1_000_000, len(kept)
assert logs.dropped == total - len(kept), (logs.dropped, total, len(kept))
said = [str(w.message) for w in told] + [repr(logs)]
print(sum("too large" in words or "No space" in words for words in said) >= 1, said)
